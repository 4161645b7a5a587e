# Survival by sex in advanced lung cancer: Kaplan-Meier, log-rank, Cox (survival), in the form of a study's program.
library(survival)
library(jsonlite)
library(ggplot2)

data_folder <- Sys.getenv("COUNTERPROOF_DATA")
out <- Sys.getenv("COUNTERPROOF_OUT")
level <- 0.95

raw <- read.csv(file.path(data_folder, "lung.csv"))
missing <- setdiff(c("time", "status", "sex"), names(raw))
if (length(missing) > 0) stop("column ", missing[1], " is missing")
lung <- raw[complete.cases(raw[c("time", "status", "sex")]), ]
if (!all(lung$status %in% 1:2)) stop("status must be 1 (censored) or 2 (dead)")
if (!all(lung$sex %in% 1:2)) stop("sex must be 1 (male) or 2 (female)")
lung$dead <- as.integer(lung$status == 2)
lung$woman <- as.integer(lung$sex == 2)

cox <- summary(coxph(Surv(time, dead) ~ woman, data = lung, ties = "efron"), conf.int = level)
logrank <- survdiff(Surv(time, dead) ~ woman, data = lung)
by_sex <- survfit(Surv(time, dead) ~ woman, data = lung)
everybody <- survfit(Surv(time, dead) ~ 1, data = lung, conf.type = "log-log", conf.int = level)
medians <- quantile(by_sex, 0.5, conf.int = FALSE)
year <- summary(everybody, times = 365)

result <- function(id, label, value, unit, method, n = nrow(lung), population = "all with time, status and sex", ...) {
  list(
    id = id, label = label, value = as.numeric(value), unit = unit, n = n, method = method, population = population, ...
  )
}
results <- list(
  result("patients", "Patients analysed", nrow(lung), "count", "count"),
  result("deaths", "Deaths", sum(lung$dead), "count", "count"),
  result(
    "hr_women_vs_men", "Hazard ratio of death, women against men", cox$conf.int["woman", "exp(coef)"], "ratio",
    "Cox, Efron ties, Wald",
    ci_low = cox$conf.int["woman", "lower .95"], ci_high = cox$conf.int["woman", "upper .95"], ci_level = level,
    p_value = cox$coefficients["woman", "Pr(>|z|)"]
  ),
  result(
    "logrank_chi2", "Log-rank statistic", logrank$chisq, "statistic", "log-rank",
    p_value = pchisq(logrank$chisq, 1, lower.tail = FALSE)
  ),
  result("median_women", "Median survival, women", medians[2], "days", "Kaplan-Meier", sum(lung$woman), "women"),
  result("median_men", "Median survival, men", medians[1], "days", "Kaplan-Meier", sum(1 - lung$woman), "men"),
  result("median_all", "Median survival", quantile(everybody, 0.5, conf.int = FALSE), "days", "Kaplan-Meier"),
  result(
    "survival_one_year", "Alive after one year", year$surv, "probability", "Kaplan-Meier, log(-log) interval",
    ci_low = year$lower, ci_high = year$upper, ci_level = level
  )
)

write <- function(value, name) write_json(value, file.path(out, name), auto_unbox = TRUE, digits = NA)
write(list(schema = "counterproof/results/1", results = results), "results.json")
excluded <- list(list(reason = "time, status or sex missing", n = nrow(raw) - nrow(lung)))
write(
  list(schema = "counterproof/flow/1", assessed = nrow(raw), excluded = excluded, analysed = nrow(lung)), "flow.json"
)

dir.create(file.path(out, "tables"))
dir.create(file.path(out, "figures"))
table <- data.frame(group = c("men", "women"), patients = by_sex$n, median_days = as.numeric(medians))
write.csv(table, file.path(out, "tables", "survival_by_sex.csv"), row.names = FALSE)
steps <- data.frame(days = by_sex$time, alive = by_sex$surv, group = rep(c("men", "women"), by_sex$strata))
figure <- ggplot(steps, aes(days, alive, colour = group)) + geom_step() + ylim(0, 1)
ggsave(file.path(out, "figures", "survival_by_sex.png"), figure, width = 5, height = 3.5, dpi = 100)
ggsave(file.path(out, "figures", "survival_by_sex.svg"), figure, device = grDevices::svg, width = 5, height = 3.5)
