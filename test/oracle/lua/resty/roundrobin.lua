-- Nodes in turns, each as often as its weight says. Stands in for lua-resty-balancer.
local turns = {}
turns.__index = turns

function turns.new(_, nodes)
  local t = setmetatable({}, turns)
  t:reinit(nodes)
  return t
end

function turns.reinit(self, nodes)
  self.nodes, self.order, self.last = nodes, {}, 0
  for node, weight in pairs(nodes) do
    for _ = 1, weight do
      self.order[#self.order + 1] = node
    end
  end
  table.sort(self.order)
end

function turns.find(self)
  if #self.order == 0 then
    return nil
  end
  self.last = self.last % #self.order + 1
  return self.order[self.last]
end

return turns
