-- Cookies of a request, read and set. Stands in for lua-resty-cookie, which Debian has not.
local ngx = ngx
local cookie = {}
cookie.__index = cookie

function cookie.new()
  return setmetatable({}, cookie)
end

-- get is the value of the first cookie of this name, or nil.
function cookie.get(_, name)
  for pair in (ngx.var.http_cookie or ""):gmatch("[^;]+") do
    local key, value = pair:match("^%s*([^=]-)%s*=%s*(.-)%s*$")
    if key == name then
      return (value:gsub('^"(.*)"$', "%1"))
    end
  end
  return nil, "no such cookie"
end

-- set adds a Set-Cookie, beside those that are there.
function cookie.set(_, c)
  local text = c.key .. "=" .. c.value
  local function add(name, value)
    if value then
      text = text .. "; " .. name .. "=" .. value
    end
  end
  add("Expires", c.expires)
  add("Max-Age", c.max_age)
  add("Domain", c.domain)
  add("Path", c.path)
  text = text .. (c.secure and "; Secure" or "") .. (c.httponly and "; HttpOnly" or "")
  add("SameSite", c.samesite)
  local all = ngx.header["Set-Cookie"] or {}
  if type(all) == "string" then
    all = { all }
  end
  all[#all + 1] = text
  ngx.header["Set-Cookie"] = all
  return true
end

return cookie
