--- The split that answers appear in: Markdown, read-only, used again. It follows the end unless the user has moved.
local M = {}

local NAME = 'codecompose://answer'
--- The lines at the bottom of the screen that a question takes, and some of the code above.
local PROMPT = 8

---@type integer?
local panel
--- Called when the panel is closed.
---@type fun()
local on_close = function() end

local function close()
  if not pcall(vim.api.nvim_win_close, 0, false) then
    vim.cmd.enew() -- it is the last window
  end
end

local function create()
  local buf = vim.api.nvim_create_buf(false, true)
  vim.api.nvim_buf_set_name(buf, NAME)
  vim.bo[buf].undolevels = -1
  vim.bo[buf].filetype = 'markdown'
  vim.bo[buf].modifiable = false
  vim.keymap.set('n', 'q', close, { buffer = buf, nowait = true, desc = 'CodeCompose: close, and cancel the answer' })
  vim.api.nvim_create_autocmd('BufWinLeave', {
    buffer = buf,
    callback = function()
      on_close()
    end,
  })
  return buf
end

---@param first integer 0-based, as last
---@param lines string[]
local function write(first, column, lines)
  vim.bo[panel].modifiable = true
  vim.api.nvim_buf_set_text(panel, first, column, -1, -1, lines)
  vim.bo[panel].modifiable = false
end

--- Open it, empty, and go there.
---@param heading string
---@param closed fun() called when it is closed
function M.open(heading, closed)
  if not panel or not vim.api.nvim_buf_is_valid(panel) then
    panel = create()
  end
  local window = vim.fn.bufwinid(panel)
  if window == -1 then
    window = vim.api.nvim_open_win(panel, true, { split = 'below' })
    vim.wo[window][0].wrap, vim.wo[window][0].linebreak = true, true
    vim.wo[window][0].number, vim.wo[window][0].relativenumber = false, false
  end
  vim.api.nvim_set_current_win(window)
  write(0, 0, { '' })
  on_close = closed
  M.head(heading)
end

--- Say something above the text.
---@param heading string
function M.head(heading)
  for _, window in ipairs(vim.fn.win_findbuf(panel)) do
    vim.wo[window][0].winbar = ' ' .. heading:gsub('%%', '%%%%')
  end
end

--- Write a piece at the end. Windows whose cursor is at the end stay there.
---@param text string
function M.append(text)
  local last = vim.api.nvim_buf_line_count(panel)
  local following = vim.tbl_filter(function(window)
    return vim.api.nvim_win_get_cursor(window)[1] == last
  end, vim.fn.win_findbuf(panel))
  local line = vim.api.nvim_buf_get_lines(panel, last - 1, last, false)[1]
  write(last - 1, #line, vim.split(text, '\r?\n'))
  for _, window in ipairs(following) do
    vim.api.nvim_win_set_cursor(window, { vim.api.nvim_buf_line_count(panel), 0 })
  end
end

--- Write something of our own below what stands there.
---@param text string
function M.note(text)
  local last = vim.api.nvim_buf_get_lines(panel, -2, -1, false)[1]
  M.append((M.is_empty() and '' or last == '' and '\n' or '\n\n') .. text)
end

--- Write something of our own and show it from its beginning, as much of it as there is room for above a prompt.
---@param text string
function M.present(text)
  local first = vim.api.nvim_buf_line_count(panel) + 1
  M.note(text)
  for _, window in ipairs(vim.fn.win_findbuf(panel)) do
    local wanted = math.min(vim.api.nvim_buf_line_count(panel) - first + PROMPT, vim.o.lines - PROMPT)
    vim.api.nvim_win_set_height(window, math.max(wanted, vim.api.nvim_win_get_height(window)))
    vim.api.nvim_win_call(window, function()
      vim.fn.winrestview({ topline = first, lnum = first, col = 0 })
    end)
  end
end

---@param buf integer
function M.is(buf)
  return buf == panel
end

function M.is_empty()
  return vim.api.nvim_buf_line_count(panel) == 1 and vim.api.nvim_buf_get_lines(panel, 0, 1, false)[1] == ''
end

return M
