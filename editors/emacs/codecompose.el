;;; codecompose.el --- Code completion as ghost text  -*- lexical-binding: t; -*-

;; Package-Requires: ((emacs "28.1") (lsp-mode "10.0.0"))

;;; Commentary:

;; A client of lsp-mode for `codecompose-ls', which runs beside a language's own server.
;; lsp-mode asks, draws and inserts (lsp-inline-completion); what is missing is here: which suggestion was shown or refused,
;; what the server is doing, and a buffer for what assistants say.

;;; Code:

(require 'lsp-mode)
(require 'lsp-inline-completion)

(defgroup codecompose nil "Code completion as ghost text." :group 'lsp-mode)

(defcustom codecompose-command '("codecompose-ls" "lsp")
  "The command that starts the server."
  :type '(repeat string))

(defcustom codecompose-settings nil
  "What the user has chosen: a property list with the server's settings in camelCase, as in (:eagerness \"high\")."
  :type 'plist)

(defvar codecompose--complained nil "Whether it was said that there is no server.")

(defun codecompose--installed-p ()
  "Whether there is a server; says once that there is none."
  (or (executable-find (car codecompose-command))
      (unless codecompose--complained
        (setq codecompose--complained t)
        (display-warning 'codecompose (format "'%s' was not found: install it, or set `codecompose-command'"
                                              (car codecompose-command)))
        nil)))

(defvar codecompose--status nil "What the server said last.")

(defun codecompose-status ()
  "Say what the server does, or why nothing is suggested."
  (interactive)
  (message "CodeCompose: %s"
           (cond ((not codecompose--status) "the server has not started")
                 ((string-empty-p (gethash "message" codecompose--status)) "ready")
                 ((gethash "message" codecompose--status)))))

(defun codecompose--on-status (_workspace status)
  "Keep STATUS, and warn of an error."
  (setq codecompose--status status)
  (when (equal (gethash "kind" status) "Error")
    (lsp--warn "CodeCompose: %s" (gethash "message" status))))

;; What becomes of a suggestion. Accepted: lsp-mode runs the item's command. Typed over: the server sees the text.

(defun codecompose--notify (method &rest more)
  "Tell the server METHOD of the suggestion on the screen, and MORE, if it is ours."
  (when-let* ((item (elt lsp-inline-completion--items lsp-inline-completion--current))
              (command (gethash "command" item))
              (workspace (and (equal (gethash "command" command) "codecompose.accepted")
                              (lsp-find-workspace 'codecompose (buffer-file-name)))))
    (with-lsp-workspace workspace
      (lsp-notify method (append (list :item item) more)))))

(defun codecompose--on-shown ()
  "Tell the server what has been drawn."
  (codecompose--notify "textDocument/didShowCompletion"))

(defun codecompose--on-cancelled ()
  "Tell the server what was refused; any other key than the one for it may go on with what is suggested."
  (when (eq this-command 'lsp-inline-completion-cancel)
    (codecompose--notify "codecompose/didDismissCompletion" :reason "rejected")))

(add-hook 'lsp-inline-completion-shown-hook #'codecompose--on-shown)
(add-hook 'lsp-inline-completion-cancelled-hook #'codecompose--on-cancelled)

;; Assistants are code actions; the answers of some are texts.

(defun codecompose--assist (action)
  "Ask the assistant of the command ACTION, and show what it says."
  (lsp-request-async
   "workspace/executeCommand"
   (list :command (gethash "command" action) :arguments (gethash "arguments" action))
   (lambda (answer)
     (with-current-buffer (get-buffer-create "*CodeCompose*")
       (let ((inhibit-read-only t))
         (erase-buffer)
         (insert (gethash "markdown" answer)))
       (goto-char (point-min))
       (special-mode)
       (display-buffer (current-buffer))))
   :error-handler (lambda (problem) (lsp--error "CodeCompose: %s" (gethash "message" problem)))
   :mode 'detached))

(lsp-register-client
 (make-lsp-client
  :server-id 'codecompose
  :new-connection (lsp-stdio-connection (lambda () codecompose-command))
  :activation-fn (lambda (file _mode) (and file (codecompose--installed-p)))
  :add-on? t ; a language's own server goes on
  :initialization-options (lambda () (or codecompose-settings (make-hash-table)))
  :notification-handlers (lsp-ht ("didChangeStatus" #'codecompose--on-status))
  :action-handlers (lsp-ht ("codecompose.assist" #'codecompose--assist))))

(provide 'codecompose)
;;; codecompose.el ends here
