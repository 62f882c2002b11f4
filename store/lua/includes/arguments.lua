-- Reading ARGV on from a position: what comes next, and whether anything is left.

local function arguments_after(position)
  local function take()
    position = position + 1
    return ARGV[position]
  end
  local function left() return position < #ARGV end
  return take, left
end
