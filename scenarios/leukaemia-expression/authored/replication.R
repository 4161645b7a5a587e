# Diagnosis from expression, independently: genes and method chosen anew without each left-out sample.
folder <- Sys.getenv("COUNTERPROOF_DATA")
out <- Sys.getenv("COUNTERPROOF_OUT")
level <- 0.95
size <- 50
raw <- read.csv(gzfile(file.path(folder, "leukemia_train.csv.gz")), check.names = FALSE, na.strings = c("NA", ""))
used <- raw[!is.na(raw$diagnosis), ]
if (!setequal(used$diagnosis, c("ALL", "AML"))) stop("diagnosis must be ALL or AML, and both must occur")
x <- as.matrix(used[setdiff(names(used), c("sample", "diagnosis", "synthetic_twin"))])
x <- t(log10(pmin(pmax(x, 100), 16000)))
x[is.na(x)] <- 2
aml <- used$diagnosis == "AML"
if (sum(aml) < 4 || sum(!aml) < 4) stop("a diagnosis has fewer than four samples")

moments <- function(columns) {
  values <- x[, columns, drop = FALSE]
  m <- rowMeans(values)
  list(n = length(columns), mean = m, variance = rowSums((values - m)^2) / (length(columns) - 1))
}
is_right <- function(rows, held_out) {
  one <- moments(rows[aml[rows]])
  two <- moments(rows[!aml[rows]])
  spread <- sqrt(one$variance) + sqrt(two$variance)
  signal <- ifelse(spread > 0, (one$mean - two$mean) / spread, 0)
  top <- order(-abs(signal))[seq_len(min(size, length(signal)))]
  to_one <- (x[top, held_out] - one$mean[top])^2
  to_two <- (x[top, held_out] - two$mean[top])^2
  pooled <- ((one$n - 1) * one$variance[top] + (two$n - 1) * two$variance[top]) / (one$n + two$n - 2)
  pooled[pooled <= 0] <- 1
  vote <- sum(signal[top] * (x[top, held_out] - (one$mean[top] + two$mean[top]) / 2))
  c(centroid = sum(to_one) < sum(to_two), voting = vote > 0, discriminant = sum(to_one / pooled) < sum(to_two / pooled)) ==
    aml[held_out]
}
left_out <- function(rows) t(sapply(rows, function(at) is_right(setdiff(rows, at), at)))

everybody <- seq_along(aml)
right <- left_out(everybody)
best <- sapply(everybody, function(at) which.max(colMeans(left_out(setdiff(everybody, at)))))
procedure <- right[cbind(everybody, best)]
n <- length(aml)
result <- function(id, label, value, unit, method, ...) {
  c(list(id = id, label = label, value = unname(value), unit = unit, n = n, method = method,
         population = "bone marrow samples with a diagnosis"), list(...))
}
accuracy <- function(id, label, correct) {
  ends <- binom.test(sum(correct), n, conf.level = level)$conf.int
  result(id, label, mean(correct), "probability", "leave-one-out, Clopper-Pearson interval",
         ci_low = ends[1], ci_high = ends[2], ci_level = level)
}
within <- "genes chosen within each fold"
results <- list(
  result("samples", "Samples analysed", n, "count", "count"),
  result("samples_aml", "Samples of AML", sum(aml), "count", "count"),
  result("share_all", "Share of ALL: the accuracy of always saying ALL", mean(!aml), "probability", "proportion"),
  accuracy("accuracy_centroid", paste("Accuracy of nearest centroid,", within), right[, "centroid"]),
  accuracy("accuracy_voting", paste("Accuracy of weighted voting,", within), right[, "voting"]),
  accuracy("accuracy_discriminant", paste("Accuracy of diagonal discriminant analysis,", within), right[, "discriminant"]),
  accuracy("accuracy_procedure", "Accuracy of the whole procedure, genes and method chosen within each fold", procedure)
)
write <- function(value, name) jsonlite::write_json(value, file.path(out, name), auto_unbox = TRUE, digits = NA)
write(list(schema = "counterproof/results/1", results = results), "results.json")
left <- list(list(reason = "diagnosis missing", n = nrow(raw) - n))
write(list(schema = "counterproof/flow/1", assessed = nrow(raw), excluded = left, analysed = n), "flow.json")
