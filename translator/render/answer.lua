-- Rewrites cookies and Location in answers. What is replaced stands in the metadata of the
-- route; this text is the same for all routes.

-- begun is a text with its beginning replaced; nil if it begins otherwise.
local function begun(text, rule)
  if rule and text:sub(1, #rule.from) == rule.from then
    return rule.to .. text:sub(#rule.from + 1)
  end
end

local function cookie(text, rules)
  local out = {}
  for part in (text .. ";"):gmatch("([^;]*);") do
    local space, name, value = part:match("^(%s*)([^=]*)=(.*)$")
    local lower = name and #out > 0 and name:lower()
    if lower == "path" then
      value = begun(value, rules.path) or value
      part = space .. name .. "=" .. value
    elseif lower == "domain" and rules.domain and value:gsub("^%.", ""):lower() == rules.domain.from:lower() then
      part = space .. name .. "=" .. rules.domain.to
    end
    out[#out + 1] = part
  end
  return table.concat(out, ";")
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local host = (headers:get(":authority") or ""):gsub(":%d+$", "")
  handle:streamInfo():dynamicMetadata():set("legation.answer", "base", (headers:get("x-forwarded-proto") or "http") .. "://" .. host)
end

function envoy_on_response(handle)
  local rules, headers = handle:metadata(), handle:headers()
  local all = {path = rules:get("cookie_path"), domain = rules:get("cookie_domain")}
  local n = headers:getNumValues("set-cookie")
  if n > 0 and (all.path or all.domain) then
    local cookies = {}
    for i = 0, n - 1 do
      cookies[#cookies + 1] = cookie(headers:getAtIndex("set-cookie", i), all)
    end
    headers:remove("set-cookie")
    for _, text in ipairs(cookies) do
      headers:add("set-cookie", text)
    end
  end
  local location = headers:get("location")
  local moved = location and begun(location, rules:get("location"))
  if moved then
    if moved:sub(1, 1) == "/" then
      local said = handle:streamInfo():dynamicMetadata():get("legation.answer")
      moved = (said and said["base"] or "") .. moved
    end
    headers:replace("location", moved)
  end
end
