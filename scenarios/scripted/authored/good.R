task <- list()

read <- function(name) {
  lines <- readLines(file.path(Sys.getenv("COUNTERPROOF_DATA"), name))
  parts <- strsplit(gsub('"', "", lines), ",", fixed = TRUE)
  table <- do.call(rbind, parts[-1])
  colnames(table) <- parts[[1]]
  table
}
train <- read(task$train)
test <- read(task$test)
features <- setdiff(colnames(test), c(task$id, "synthetic_twin"))
numbers <- function(table) matrix(as.numeric(table[, features]), nrow = nrow(table))
x <- numbers(train)
new <- numbers(test)
if (all(x == round(x)) && min(x) >= 0) {
  x <- log(x + 0.5)
  new <- log(new + 0.5)
  x <- x - rowMeans(x)
  new <- new - rowMeans(new)
}
y <- train[, task$target]
y <- if (length(task$classes) == 2) as.numeric(y == task$classes[2]) else as.numeric(y)
middle <- colMeans(x)
width <- apply(x, 2, sd)
width[width == 0] <- 1
z <- scale(x, middle, width)
association <- drop(crossprod(z, y - mean(y))) / (nrow(x) - 1) / sd(y)
kept <- order(-abs(association))[seq_len(min(40, ncol(x)))]
signed <- function(table) drop(scale(table, middle, width)[, kept, drop = FALSE] %*% association[kept])
fit <- lm(y ~ s, data.frame(y = y, s = signed(x)))
given <- unname(predict(fit, data.frame(s = signed(new))))
out <- data.frame(id = test[, task$id], prediction = given)
if (length(task$classes) == 2) {
  out$score <- given
  out$prediction <- task$classes[1 + (given > 0.5)]
}
names(out)[1] <- task$id
folder <- file.path(Sys.getenv("COUNTERPROOF_OUT"), "tables")
dir.create(folder)
write.csv(out, file.path(folder, "predictions.csv"), row.names = FALSE, quote = FALSE)
