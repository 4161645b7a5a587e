# Indomethacin against placebo after ERCP, independently, in base R.
folder <- Sys.getenv("COUNTERPROOF_DATA")
out <- Sys.getenv("COUNTERPROOF_OUT")
level <- 0.95
z <- qnorm(1 - (1 - level) / 2)
raw <- read.csv(file.path(folder, "indo_rct.csv"), na.strings = c("NA", ""))[c("rx", "outcome")]
used <- raw[complete.cases(raw), ]
if (!all(used$rx %in% c("0_placebo", "1_indomethacin"), used$outcome %in% c("0_no", "1_yes"))) stop("unknown code")
ill <- as.integer(used$outcome == "1_yes")
arm <- factor(used$rx, levels = c("1_indomethacin", "0_placebo"))
n <- as.vector(table(arm))
events <- as.vector(tapply(ill, arm, sum))
if (any(is.na(events)) || any(events == 0)) stop("an arm is empty or has no event")
risk <- events / n
difference <- risk[1] - risk[2]
spread <- z * sqrt(sum(risk * (1 - risk) / n))
log_ratio <- log(risk[1] / risk[2])
log_spread <- z * sqrt(sum(1 / events - 1 / n))
p <- fisher.test(rbind(events, n - events))$p.value
everybody <- "all randomised patients, by the arm they were randomised to"
result <- function(id, label, value, unit, method, count = sum(n), population = everybody, ...) {
  c(list(id = id, label = label, value = value, unit = unit, n = count, method = method, population = population),
    list(...))
}
results <- list(
  result("patients", "Patients randomised", sum(n), "count", "count"),
  result("n_indomethacin", "Patients, indomethacin", n[1], "count", "count", n[1], "indomethacin"),
  result("n_placebo", "Patients, placebo", n[2], "count", "count", n[2], "placebo"),
  result("events_indomethacin", "Pancreatitis, indomethacin", events[1], "count", "count", n[1], "indomethacin"),
  result("events_placebo", "Pancreatitis, placebo", events[2], "count", "count", n[2], "placebo"),
  result("risk_indomethacin", "Risk, indomethacin", risk[1], "probability", "share", n[1], "indomethacin"),
  result("risk_placebo", "Risk, placebo", risk[2], "probability", "share", n[2], "placebo"),
  result("risk_difference", "Risk difference, indomethacin minus placebo", difference, "difference of probabilities",
         "Wald interval; Fisher's exact test, two-sided", ci_low = difference - spread, ci_high = difference + spread,
         ci_level = level, p_value = p),
  result("risk_ratio", "Risk ratio, indomethacin against placebo", exp(log_ratio), "ratio", "log interval",
         ci_low = exp(log_ratio - log_spread), ci_high = exp(log_ratio + log_spread), ci_level = level),
  result("nnt", "Number needed to treat", -1 / difference, "patients", "inverse of the risk difference")
)
write <- function(value, name) jsonlite::write_json(value, file.path(out, name), auto_unbox = TRUE, digits = NA)
write(list(schema = "counterproof/results/1", results = results), "results.json")
left_out <- list(list(reason = "arm or outcome missing", n = nrow(raw) - nrow(used)))
write(list(schema = "counterproof/flow/1", assessed = nrow(raw), excluded = left_out, analysed = nrow(used)), "flow.json")
