# Smoking and death within twenty years, independently: mantelhaen.test.
folder <- Sys.getenv("COUNTERPROOF_DATA")
out <- Sys.getenv("COUNTERPROOF_OUT")
level <- 0.95
z <- qnorm(1 - (1 - level) / 2)
raw <- read.csv(file.path(folder, "whickham.csv"), stringsAsFactors = FALSE)
used <- raw[complete.cases(raw[c("vital_status_20y", "smoker", "age_baseline")]), ]
if (!all(used$vital_status_20y %in% c("Alive", "Dead"), used$smoker %in% c("Yes", "No"))) stop("unknown code")
used$band <- cut(used$age_baseline, c(17, 24, 34, 44, 54, 64, 74, 120))
if (any(is.na(used$band))) stop("an age is outside of 18 to 120 years")
smoker <- factor(used$smoker, levels = c("Yes", "No"))
death <- factor(used$vital_status_20y, levels = c("Dead", "Alive"))
whole <- table(smoker, death)
strata <- table(smoker, death, used$band)
strata <- strata[, , apply(strata, 3, sum) > 1]
pooled <- mantelhaen.test(strata, correct = FALSE, conf.level = level)
estimate <- log(whole[1, 1] * whole[2, 2] / (whole[1, 2] * whole[2, 1]))
error <- sqrt(sum(1 / whole))
n <- nrow(used)
result <- function(id, label, value, unit, method, count = n, population = "women with age, smoking and vital status",
                   ...) {
  c(list(id = id, label = label, value = unname(value), unit = unit, n = count, method = method,
         population = population), list(...))
}
risk <- prop.table(whole, 1)[, "Dead"]
results <- list(
  result("women", "Women analysed", n, "count", "count"),
  result("deaths", "Deaths within twenty years", sum(death == "Dead"), "count", "count"),
  result("risk_smokers", "Share of smokers who died", risk["Yes"], "probability", "share", sum(whole["Yes", ]),
         "smokers"),
  result("risk_others", "Share of non-smokers who died", risk["No"], "probability", "share", sum(whole["No", ]),
         "non-smokers"),
  result("or_crude", "Odds ratio of death, smokers against non-smokers, not adjusted", exp(estimate), "ratio",
         "cross product, Wald interval", ci_low = exp(estimate - z * error), ci_high = exp(estimate + z * error),
         ci_level = level, p_value = 2 * pnorm(-abs(estimate / error))),
  result("or_age_stratified", "Odds ratio of death, smokers against non-smokers, within age bands",
         pooled$estimate, "ratio", "Mantel-Haenszel over seven age bands, interval of Robins, Breslow and Greenland",
         ci_low = pooled$conf.int[1], ci_high = pooled$conf.int[2], ci_level = level, p_value = pooled$p.value)
)
write <- function(value, name) jsonlite::write_json(value, file.path(out, name), auto_unbox = TRUE, digits = NA)
write(list(schema = "counterproof/results/1", results = results), "results.json")
left_out <- list(list(reason = "age, smoking or vital status missing", n = nrow(raw) - n))
write(list(schema = "counterproof/flow/1", assessed = nrow(raw), excluded = left_out, analysed = n), "flow.json")
