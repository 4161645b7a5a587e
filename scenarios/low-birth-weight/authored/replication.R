# Smoking and low birth weight, independently: glm with Wald intervals.
folder <- Sys.getenv("COUNTERPROOF_DATA")
out <- Sys.getenv("COUNTERPROOF_OUT")
level <- 0.95
used <- c("low", "smoke", "race", "age", "lwt", "ptl", "ht", "ui")
raw <- read.csv(file.path(folder, "lbw.csv"))
if (!all(used %in% names(raw))) stop("a column of the model is missing")
births <- raw[complete.cases(raw[used]), ]
if (!all(births$low %in% 0:1, births$smoke %in% 0:1, births$race %in% 1:3)) stop("a code is not as the plan says")
births$race <- relevel(factor(births$race), ref = "1")

crude <- glm(low ~ smoke, family = binomial, data = births, control = glm.control(epsilon = 1e-12))
full <- glm(low ~ race + lwt + age + ht + ui + ptl + smoke, family = binomial, data = births,
            control = glm.control(epsilon = 1e-12))
if (!crude$converged || !full$converged) stop("a logistic regression did not converge")

result <- function(id, label, value, unit, method, n = nrow(births), population = "births with all variables", ...) {
  c(list(id = id, label = label, value = as.numeric(value), unit = unit, n = n, method = method,
         population = population), list(...))
}
odds_ratio <- function(id, label, model, term, method) {
  estimate <- unname(coef(model)[term])
  ends <- unname(exp(confint.default(model, term, level = level)))
  p <- unname(summary(model)$coefficients[term, "Pr(>|z|)"])
  result(id, label, exp(estimate), "ratio", method, ci_low = ends[1], ci_high = ends[2], ci_level = level, p_value = p)
}
by_smoking <- tapply(births$low, births$smoke, mean)
counts <- table(births$smoke)
one <- "logistic regression on smoking"
many <- "logistic regression, adjusted"
results <- list(
  result("births", "Births analysed", nrow(births), "count", "count"),
  result("low_births", "Births below 2500 g", sum(births$low), "count", "count"),
  result("risk_smokers", "Risk, smokers", by_smoking["1"], "probability", "share", counts[["1"]], "smokers"),
  result("risk_others", "Risk, non-smokers", by_smoking["0"], "probability", "share", counts[["0"]], "non-smokers"),
  odds_ratio("or_smoking_crude", "Odds ratio, smokers against non-smokers, crude", crude, "smoke", one),
  odds_ratio("or_smoking_adjusted", "Odds ratio, smokers against non-smokers, adjusted", full, "smoke", many),
  odds_ratio("or_race_black", "Odds ratio, black against white", full, "race2", many),
  odds_ratio("or_race_other", "Odds ratio, other race against white", full, "race3", many),
  odds_ratio("or_lwt", "Odds ratio for a pound of weight", full, "lwt", many),
  odds_ratio("or_hypertension", "Odds ratio for hypertension", full, "ht", many),
  result("log_likelihood", "Log likelihood of the adjusted model", as.numeric(logLik(full)), "statistic", many)
)
write <- function(value, name) jsonlite::write_json(value, file.path(out, name), auto_unbox = TRUE, digits = NA)
write(list(schema = "counterproof/results/1", results = results), "results.json")
left_out <- list(list(reason = "a variable of the model is missing", n = nrow(raw) - nrow(births)))
write(list(schema = "counterproof/flow/1", assessed = nrow(raw), excluded = left_out, analysed = nrow(births)),
      "flow.json")
