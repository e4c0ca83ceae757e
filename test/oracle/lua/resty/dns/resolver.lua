-- Asks a DNS for addresses, by UDP. Stands in for lua-resty-dns.
local bit = require("bit")
local resolver = { TYPE_A = 1, TYPE_AAAA = 28 }
resolver.__index = resolver

function resolver.new(_, options)
  local server = options.nameservers[1]
  local host, port = server, 53
  if type(server) == "table" then
    host, port = server[1], server[2] or 53
  end
  return setmetatable({ host = host, port = port, timeout = options.timeout or 2000 }, resolver)
end

local function number(text, at)
  return text:byte(at) * 256 + text:byte(at + 1)
end

-- skip is what comes after the name at a place.
local function skip(text, at)
  while true do
    local length = text:byte(at)
    if length == 0 then
      return at + 1
    elseif length >= 192 then
      return at + 2
    end
    at = at + length + 1
  end
end

local function address(kind, data)
  if kind == resolver.TYPE_A and #data == 4 then
    return table.concat({ data:byte(1, 4) }, ".")
  elseif kind == resolver.TYPE_AAAA and #data == 16 then
    local groups = {}
    for i = 1, 15, 2 do
      groups[#groups + 1] = string.format("%x", number(data, i))
    end
    return "[" .. table.concat(groups, ":") .. "]"
  end
end

local function answers(text)
  local code = bit.band(text:byte(4), 15)
  if code ~= 0 then
    return { errcode = code, errstr = "the DNS says so" }
  end
  local list, at = {}, 13
  for _ = 1, number(text, 5) do
    at = skip(text, at) + 4
  end
  for _ = 1, number(text, 7) do
    at = skip(text, at)
    local length = number(text, at + 8)
    local data = text:sub(at + 10, at + 9 + length)
    list[#list + 1] = { address = address(number(text, at), data), ttl = number(text, at + 6) }
    at = at + 10 + length
  end
  return list
end

function resolver.query(self, name, options)
  local socket = ngx.socket.udp()
  socket:settimeout(self.timeout)
  local ok, err = socket:setpeername(self.host, self.port)
  if not ok then
    return nil, err
  end
  local question = ""
  for label in name:gmatch("[^.]+") do
    question = question .. string.char(#label) .. label
  end
  ok, err = socket:send("\1\2\1\0\0\1\0\0\0\0\0\0" .. question .. "\0\0" .. string.char(options.qtype) .. "\0\1")
  if not ok then
    return nil, err
  end
  local text
  text, err = socket:receive()
  socket:close()
  if not text or #text < 12 then
    return nil, err or "too short"
  end
  return answers(text)
end

return resolver
