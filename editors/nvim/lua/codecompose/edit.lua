--- workspace/applyEdit: Neovim makes every edit at once, so what is to be confirmed is shown as a diff and asked for here.
local panel = require('codecompose.panel')

local M = {}

local APPLY, LEAVE = 'Apply', 'Do not apply'
local diff = vim.text and vim.text.diff or vim.diff -- its name before 0.12

local function wants_confirmation(edit)
  for _, annotation in pairs(edit.changeAnnotations or {}) do
    if annotation.needsConfirmation then
      return true
    end
  end
  return false
end

--- The same edit without annotations: later versions of Neovim would ask once more.
local function plain(edit)
  local changes = vim.deepcopy(edit.documentChanges)
  for _, change in ipairs(changes) do
    change.annotationId = nil
    for _, one in ipairs(change.edits or {}) do
      one.annotationId = nil
    end
  end
  return { documentChanges = changes }
end

--- The lines of a document: the buffer's, or the file's, or none of one that is to be made.
local function lines_of(uri)
  local path = vim.uri_to_fname(uri)
  local buf = vim.fn.bufnr(path)
  if buf ~= -1 and vim.api.nvim_buf_is_loaded(buf) then
    return vim.api.nvim_buf_get_lines(buf, 0, -1, false)
  end
  return vim.fn.filereadable(path) == 1 and vim.fn.readfile(path) or {}
end

local function edited(lines, edits, encoding)
  local scratch = vim.api.nvim_create_buf(false, true)
  vim.api.nvim_buf_set_lines(scratch, 0, -1, false, lines)
  vim.lsp.util.apply_text_edits(edits, scratch, encoding)
  local after = vim.api.nvim_buf_get_lines(scratch, 0, -1, false)
  vim.api.nvim_buf_delete(scratch, { force = true })
  return after
end

local function text(lines)
  return #lines == 0 and '' or table.concat(lines, '\n') .. '\n'
end

--- What a (plain) edit changes, as a unified diff.
---@return string
function M.preview(edit, encoding)
  local parts = {}
  for _, change in ipairs(edit.documentChanges) do
    if change.edits then
      local before = lines_of(change.textDocument.uri)
      local after = edited(before, change.edits, encoding)
      local path = vim.fn.fnamemodify(vim.uri_to_fname(change.textDocument.uri), ':.')
      parts[#parts + 1] = ('--- %s\n+++ %s\n%s'):format(path, path, diff(text(before), text(after), { ctxlen = 3 }))
    end
  end
  return table.concat(parts)
end

--- Whether a document is not any more what its edit was made for.
local function has_changed(edit)
  for _, change in ipairs(edit.documentChanges) do
    local version = change.textDocument and change.textDocument.version
    local buf = version and vim.fn.bufnr(vim.uri_to_fname(change.textDocument.uri)) or -1
    if buf ~= -1 and vim.lsp.util.buf_versions[buf] and vim.lsp.util.buf_versions[buf] ~= version then
      return true
    end
  end
  return false
end

--- Longer than any fence inside.
local function fenced(content)
  local fence = '```'
  for found in content:gmatch('`+') do
    fence = #found >= #fence and found .. '`' or fence
  end
  return ('%sdiff\n%s%s'):format(fence, content, fence)
end

--- Ask the user; the coroutine waits, Neovim does not.
local function is_wanted(label)
  local waiting = assert(coroutine.running())
  vim.schedule(function()
    vim.cmd.redraw() -- the diff is to be seen before a prompt holds Neovim up
    vim.ui.select({ APPLY, LEAVE }, { prompt = label .. ': make this edit?', kind = 'codecompose.edit' }, function(choice)
      vim.schedule(function()
        coroutine.resume(waiting, choice == APPLY)
      end)
    end)
  end)
  return coroutine.yield()
end

--- The handler of workspace/applyEdit.
function M.apply(_, params, context)
  local edit = params.edit
  if wants_confirmation(edit) then
    edit = plain(edit)
    local client = assert(vim.lsp.get_client_by_id(context.client_id))
    local assist = require('codecompose.assist')
    local run = assist.running()
    if not run then
      return { applied = false } -- cancelled meanwhile
    end
    panel.present(fenced(M.preview(edit, client.offset_encoding)))
    if not is_wanted(params.label or 'CodeCompose') or assist.running() ~= run then
      return { applied = false }
    end
    if has_changed(edit) then
      return { applied = false, failureReason = 'the document has changed meanwhile' }
    end
  end
  -- Without its label, which Neovim would print over the screen.
  return vim.lsp.handlers['workspace/applyEdit'](nil, { edit = edit }, context)
end

return M
