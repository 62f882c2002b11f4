-- Tags: in a job's record they stand behind each other, with blanks between.

-- Walks the tags of a record, of which there may be none.
local function each_tag(tags) return string.gmatch(tags or '', '%S+') end

local function has_tag(tags, tag) return string.find(' ' .. (tags or '') .. ' ', ' ' .. tag .. ' ', 1, true) ~= nil end
