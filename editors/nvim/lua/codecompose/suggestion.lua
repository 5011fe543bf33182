--- A suggestion in a buffer: how much of it stands there already, and what is still ghost text.
local byte_column = require('codecompose.client').byte_column

---@class codecompose.Suggestion
---@field items table[] the server's inline completion items, as they came; the first is drawn
---@field item table that one
---@field client vim.lsp.Client
---@field buf integer
---@field row integer 0-based, where its text begins
---@field column integer in bytes
---@field replaced string what stands behind the cursor and goes when the whole is taken
---@field tick integer the buffer's state when it was last looked at
---@field standing integer how much of its text stood in the buffer then, in bytes
local Suggestion = {}
Suggestion.__index = Suggestion

--- Where the user is. The answer to a request that was made at another place comes too late.
function Suggestion.place(buf)
  if vim.api.nvim_get_current_buf() == buf then
    local mode = vim.api.nvim_get_mode().mode:sub(1, 1)
    return { mode, vim.api.nvim_buf_get_changedtick(buf), vim.api.nvim_win_get_cursor(0) }
  end
end

--- A suggestion that has just been drawn in the current window.
---@return codecompose.Suggestion
function Suggestion.new(items, client, buf)
  local item = items[1]
  local row, cursor = unpack(vim.api.nvim_win_get_cursor(0))
  local self = setmetatable({ items = items, item = item, client = client, buf = buf }, Suggestion)
  self.row, self.column, self.replaced = row - 1, cursor, ''
  if item.range then
    self.row = item.range.start.line
    local line = vim.api.nvim_buf_get_lines(buf, self.row, self.row + 1, false)[1] or ''
    self.column = byte_column(client, line, item.range.start.character)
    self.replaced = line:sub(cursor + 1, byte_column(client, line, item.range['end'].character))
  end
  self.tick = vim.api.nvim_buf_get_changedtick(buf)
  self.standing = self:typed() or 0
  return self
end

--- How many bytes of the text stand between its beginning and the cursor; nil where the buffer went another way.
---@return integer?
function Suggestion:typed()
  local row, column = unpack(vim.api.nvim_win_get_cursor(0))
  row = row - 1
  if vim.api.nvim_get_current_buf() ~= self.buf or row < self.row or (row == self.row and column < self.column) then
    return nil
  end
  local written = table.concat(vim.api.nvim_buf_get_text(self.buf, self.row, self.column, row, column, {}), '\n')
  return vim.startswith(self.item.insertText, written) and #written or nil
end

--- What is still to come behind the cursor; nil where the buffer went another way.
---@return string?
function Suggestion:rest()
  local typed = self:typed()
  return typed and self.item.insertText:sub(typed + 1)
end

--- Look again after a key: nil while the suggestion stands, else how it ended.
---@return nil|'typed'|'diverged'|'moved'
function Suggestion:ended()
  local tick, typed = vim.api.nvim_buf_get_changedtick(self.buf), self:typed()
  local changed = tick ~= self.tick
  if not typed or (not changed and typed ~= self.standing) then
    return changed and 'diverged' or 'moved'
  end
  self.tick, self.standing = tick, typed
  return typed == #self.item.insertText and 'typed' or nil
end

--- The items in the order in which another comes first: the next (1) or the one before (-1) that goes on from what is
--- typed. Nil where there is none.
---@param step 1|-1
---@return table[]?
function Suggestion:turned(step)
  local items, typed = self.items, self.item.insertText:sub(1, self:typed() or 0)
  for turn = 1, #items - 1 do
    local first = (step * turn) % #items
    if vim.startswith(items[first + 1].insertText, typed) then
      return vim.list_extend(vim.list_slice(items, first + 1), vim.list_slice(items, 1, first))
    end
  end
end

--- The next word of what is to come, or all of it to the end of the line.
---@param unit 'word'|'line'
function Suggestion:part(unit)
  local rest = self:rest()
  if unit == 'line' then
    return rest:match('^\n?[^\n]*')
  end
  return rest:match('^%s*[%w_\128-\255]+') or rest:match('^%s*[^%w%s_]+') or rest
end

--- Put a part of what is to come in front of the cursor.
---@param part string
function Suggestion:insert(part)
  local row, column = unpack(vim.api.nvim_win_get_cursor(0))
  local following = vim.api.nvim_get_current_line():sub(column + 1)
  local whole = part == self:rest() and vim.startswith(following, self.replaced)
  local lines = vim.split(part, '\n')
  vim.api.nvim_buf_set_text(self.buf, row - 1, column, row - 1, column + (whole and #self.replaced or 0), lines)
  vim.api.nvim_win_set_cursor(0, { row + #lines - 1, (#lines == 1 and column or 0) + #lines[#lines] })
end

return Suggestion
