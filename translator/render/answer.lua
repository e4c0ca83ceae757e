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

-- ours reports whether a cookie is that of the session, which no target has set.
local function ours(text, session)
  local name = session and text:match("^([^=]*)=")
  return name and (name == session.name or name == session.name .. "-canary")
end

-- dated gives the cookie of a session a date, in the order of attributes that nginx has.
local function dated(text, session)
  if session.age == 0 then
    return text
  end
  local rest = text:match("^[^=]*=[^;]*()")
  local site = text:match("; SameSite=%a+", rest) or ""
  return text:sub(1, rest - 1) .. os.date("!; Expires=%a, %d %b %Y %H:%M:%S GMT", os.time() + session.age) .. text:sub(rest):gsub("; SameSite=%a+", "") .. site
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local host = (headers:get(":authority") or ""):gsub(":%d+$", "")
  handle:streamInfo():dynamicMetadata():set("legation.answer", "base", (headers:get("x-forwarded-proto") or "http") .. "://" .. host)
end

function envoy_on_response(handle)
  local rules, headers = handle:metadata(), handle:headers()
  local all = {path = rules:get("cookie_path"), domain = rules:get("cookie_domain")}
  local session = rules:get("session")
  local n = headers:getNumValues("set-cookie")
  if n > 0 and (all.path or all.domain or session) then
    local cookies = {}
    for i = 0, n - 1 do
      local text = headers:getAtIndex("set-cookie", i)
      if ours(text, session) then
        text = dated(text, session)
      elseif all.path or all.domain then
        text = cookie(text, all)
      end
      cookies[#cookies + 1] = text
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
