--- The server's explanation of the selected code, in a floating window.
local client_calls = require('codecompose.client')

local M = {}

--- Run the command of an Explain code action.
function M.run(command, context)
  local client = vim.lsp.get_client_by_id(context.client_id)
  client_calls.execute(client, command, function(err, markdown)
    if err then
      vim.notify('CodeCompose LS: ' .. err.message, vim.log.levels.ERROR)
    elseif markdown then
      vim.lsp.util.open_floating_preview(vim.split(markdown, '\n'), 'markdown', { border = 'rounded' })
    end
  end, context.bufnr)
end

return M
