# Markers after subarachnoid haemorrhage, independently: areas and DeLong covariances from mid-ranks.
folder <- Sys.getenv("COUNTERPROOF_DATA")
out <- Sys.getenv("COUNTERPROOF_OUT")
level <- 0.95
z <- qnorm(1 - (1 - level) / 2)
markers <- c("s100b", "ndka", "wfns")
raw <- read.csv(file.path(folder, "asah.csv"))
used <- raw[complete.cases(raw[c("outcome", markers)]), ]
if (!all(used$outcome %in% c("Good", "Poor"))) stop("outcome must be Good or Poor")
poor <- used$outcome == "Poor"
m <- sum(poor)
k <- sum(!poor)
if (m < 2 || k < 2) stop("an outcome has fewer than two patients")

placements <- lapply(used[markers], function(x) {
  all_ranks <- rank(x)
  list(poor = (all_ranks[poor] - rank(x[poor])) / k, good = 1 - (all_ranks[!poor] - rank(x[!poor])) / m)
})
areas <- sapply(placements, function(p) mean(p$poor))
covariance <- cov(sapply(placements, `[[`, "poor")) / m + cov(sapply(placements, `[[`, "good")) / k
n <- nrow(used)
result <- function(id, label, value, unit, method, ...) {
  c(list(id = id, label = label, value = unname(value), unit = unit, n = n, method = method,
         population = "patients with outcome and all three markers"), list(...))
}
area <- function(marker, label) {
  error <- sqrt(covariance[marker, marker])
  result(paste0("auc_", marker), paste0("Area under the curve, ", label), areas[marker], "probability",
         "empirical, DeLong interval", ci_low = unname(areas[marker] - z * error),
         ci_high = unname(areas[marker] + z * error), ci_level = level)
}
comparison <- function(id, label, first, second) {
  contrast <- (markers == first) - (markers == second)
  difference <- sum(contrast * areas)
  error <- sqrt(drop(t(contrast) %*% covariance %*% contrast))
  result(id, label, difference, "difference of probabilities", "paired DeLong test, two-sided", ci_low = difference - z * error,
         ci_high = difference + z * error, ci_level = level, p_value = 2 * pnorm(-abs(difference / error)))
}
results <- list(
  result("patients", "Patients analysed", n, "count", "count"),
  result("poor_outcomes", "Patients with poor outcome", m, "count", "count"),
  area("s100b", "S100B"),
  area("ndka", "NDKA"),
  area("wfns", "WFNS grade"),
  comparison("difference_wfns_s100b", "Difference of areas, WFNS grade minus S100B", "wfns", "s100b"),
  comparison("difference_s100b_ndka", "Difference of areas, S100B minus NDKA", "s100b", "ndka")
)
write <- function(value, name) jsonlite::write_json(value, file.path(out, name), auto_unbox = TRUE, digits = NA)
write(list(schema = "counterproof/results/1", results = results), "results.json")
left_out <- list(list(reason = "outcome or a marker missing", n = nrow(raw) - n))
write(list(schema = "counterproof/flow/1", assessed = nrow(raw), excluded = left_out, analysed = n), "flow.json")
