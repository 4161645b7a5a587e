# Runs one program as `Rscript --vanilla` does, and names the program's lines when it fails.
# Starts as: R --no-echo --no-restore --vanilla --file=run.R --args PROGRAM
local({
  program <- commandArgs(trailingOnly = TRUE)[1L]
  options(
    keep.source = TRUE, warn = 1L, bitmapType = "cairo", encoding = "UTF-8",
    # Without this, a plot that no device was opened for would leave Rplots.pdf among the outputs.
    device = function(...) grDevices::pdf(NULL)
  )
  here <- 0L
  line_of <- function(call) {
    place <- attr(call, "srcref")
    if (is.null(place) || !identical(attr(place, "srcfile")$filename, program)) NA_integer_ else as.integer(place)[1L]
  }
  tell <- function(condition) {
    calls <- sys.calls()
    lines <- vapply(calls, line_of, 1L)
    text <- vapply(calls, function(call) substr(paste(deparse(call[[1L]]), collapse = " "), 1L, 60L), "")
    message <- conditionMessage(condition)
    wrong <- regmatches(message, regexec("^/program/[^:]+:([0-9]+):", message))[[1L]]
    if (here == 0L && length(wrong) == 2L) here <<- as.integer(wrong[2L])
    shown <- sprintf("  %s#%d: %s()", program, lines[!is.na(lines)], text[!is.na(lines)])
    first <- sprintf("  %s#%d", program, here)
    context <- conditionCall(condition)
    what <- if (is.null(context)) "" else paste0(" in ", substr(deparse(context)[1L], 1L, 200L))
    writeLines(c("Traceback (the innermost line last):", first, utils::tail(shown, 20L)), stderr())
    writeLines(sprintf("%s%s: %s", class(condition)[1L], what, message), stderr())
    quit(save = "no", status = 1L, runLast = FALSE)
  }
  withCallingHandlers(
    {
      expressions <- parse(program, keep.source = TRUE, encoding = "UTF-8")
      places <- attr(expressions, "srcref")
      for (at in seq_along(expressions)) {
        here <- as.integer(places[[at]])[1L]
        value <- withVisible(eval(expressions[[at]], globalenv()))
        if (value$visible) print(value$value)
      }
    },
    error = tell
  )
})
