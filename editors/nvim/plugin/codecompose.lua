if vim.g.loaded_codecompose then
  return
end
vim.g.loaded_codecompose = true

require('codecompose.keys').plug()

vim.api.nvim_create_user_command('CodeCompose', function(call)
  require('codecompose.commands').run(call)
end, {
  nargs = '*',
  range = true,
  complete = function(lead, line)
    return require('codecompose.commands').complete(lead, line)
  end,
  desc = 'CodeCompose LS: its state, assistants, tuning',
})
