-- A lock in a shared dictionary, tried once. Stands in for lua-resty-lock.
local lock = {}
lock.__index = lock

function lock.new(_, dictionary, options)
  return setmetatable({ dict = ngx.shared[dictionary], life = (options or {}).exptime or 30 }, lock)
end

function lock.lock(self, key)
  if not self.dict:add(key, true, self.life) then
    return nil, "timeout"
  end
  self.held = key
  return 0
end

function lock.unlock(self)
  if self.held then
    self.dict:delete(self.held)
    self.held = nil
  end
  return 1
end

return lock
