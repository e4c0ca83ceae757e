-- The node for a key: that which scores most for it, so that one node more or less moves
-- no other key. Stands in for lua-resty-balancer.
local hash = {}
hash.__index = hash

function hash.new(_, nodes)
  local h = setmetatable({}, hash)
  h:reinit(nodes)
  return h
end

function hash.reinit(self, nodes)
  self.nodes = nodes
end

function hash.find(self, key)
  local best, most
  for node in pairs(self.nodes) do
    local score = ngx.crc32_long(tostring(key) .. "|" .. node)
    if not most or score > most or score == most and node < best then
      best, most = node, score
    end
  end
  return best
end

return hash
