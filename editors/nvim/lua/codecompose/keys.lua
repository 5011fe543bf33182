--- Keys of insert mode. Where nothing is suggested, a key does what it did before it was mapped here.
local M = {}

local ACTIONS = {
  accept = function()
    return require('codecompose.ghost').accept()
  end,
  accept_word = function()
    return require('codecompose.ghost').accept('word')
  end,
  accept_line = function()
    return require('codecompose.ghost').accept('line')
  end,
  next = function()
    return require('codecompose.ghost').turn(1)
  end,
  previous = function()
    return require('codecompose.ghost').turn(-1)
  end,
  dismiss = function()
    return require('codecompose.ghost').dismiss()
  end,
}

--- Do what the key did before: its earlier mapping, or the key itself.
local function otherwise(key, earlier)
  local keys = earlier.rhs or key
  if earlier.callback then
    keys = earlier.callback()
  elseif earlier.expr == 1 then
    keys = vim.api.nvim_eval(keys)
  end
  if type(keys) ~= 'string' or (earlier.callback and earlier.expr == 0) then
    return
  end
  local raw = earlier.expr == 1 and earlier.replace_keycodes ~= 1
  vim.api.nvim_feedkeys(raw and keys or vim.keycode(keys), earlier.noremap == 0 and 'im' or 'in', false)
end

---@param keys table<string, string|false>
function M.map(keys)
  for name, key in pairs(keys) do
    if key then
      local earlier = vim.fn.maparg(key, 'i', false, true)
      vim.keymap.set('i', key, function()
        if not ACTIONS[name]() then
          otherwise(key, earlier)
        end
      end, { desc = 'CodeCompose: ' .. name:gsub('_', ' ') })
    end
  end
end

--- <Plug>(codecompose-accept) and the others, for mappings of one's own.
function M.plug()
  for name, action in pairs(ACTIONS) do
    vim.keymap.set('i', '<Plug>(codecompose-' .. name:gsub('_', '-') .. ')', action, { desc = 'CodeCompose: ' .. name:gsub('_', ' ') })
  end
  local assist = '<Plug>(codecompose-assist)'
  vim.keymap.set('n', assist, '<Cmd>CodeCompose assist<CR>', { desc = 'CodeCompose: ask about the function' })
  vim.keymap.set('x', assist, ':CodeCompose assist<CR>', { silent = true, desc = 'CodeCompose: ask about the lines' })
end

return M
