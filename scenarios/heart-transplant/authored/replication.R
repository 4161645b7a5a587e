# Heart transplantation and death, independently: counting process with survival::coxph.
library(survival)
folder <- Sys.getenv("COUNTERPROOF_DATA")
out <- Sys.getenv("COUNTERPROOF_OUT")
level <- 0.95
raw <- read.csv(file.path(folder, "heart_transplant.csv"))
needed <- complete.cases(raw[c("futime", "fustat", "transplant", "age", "surgery")])
known <- raw[needed & !(raw$transplant == 1 & is.na(raw$wait.time)), ]
if (!all(known$fustat %in% 0:1, known$transplant %in% 0:1, known$surgery %in% 0:1)) stop("a code is not 0 or 1")
if (any(known$futime < 0)) stop("a time of follow-up is negative")
known$end <- pmax(known$futime, 0.5)
known$at <- with(known, ifelse(transplant == 1, pmin(pmax(wait.time, 0.25), end - 0.25), NA))
known$id <- seq_len(nrow(known))
spells <- tmerge(known, known, id = id, dead = event(end, fustat), on = tdc(at))
fit <- function(formula) {
  model <- summary(coxph(formula, data = spells, ties = "efron"), conf.int = level)
  c(model$conf.int["on", c(1, 3, 4)], p = model$coefficients["on", "Pr(>|z|)"])
}
n <- nrow(known)
result <- function(id, label, value, unit, method, ...) {
  c(list(id = id, label = label, value = unname(value), unit = unit, n = n, method = method,
         population = "patients accepted for transplantation"), list(...))
}
hazard_ratio <- function(id, label, row, method) {
  result(id, label, row[1], "ratio", method, ci_low = unname(row[2]), ci_high = unname(row[3]), ci_level = level,
         p_value = unname(row[4]))
}
timed <- "Cox model, transplantation as time-dependent exposure, Efron ties"
results <- list(
  result("patients", "Patients accepted", n, "count", "count"),
  result("transplanted", "Patients who received a heart", sum(known$transplant), "count", "count"),
  result("deaths", "Deaths", sum(known$fustat), "count", "count"),
  hazard_ratio("hr_transplant", "Hazard ratio of death, after against before transplantation",
               fit(Surv(tstart, tstop, dead) ~ on), timed),
  hazard_ratio("hr_transplant_adjusted", "Hazard ratio, after against before transplantation, adjusted",
               fit(Surv(tstart, tstop, dead) ~ on + age + surgery),
               paste0(timed, ", adjusted for age and earlier surgery"))
)
write <- function(value, name) jsonlite::write_json(value, file.path(out, name), auto_unbox = TRUE, digits = NA)
write(list(schema = "counterproof/results/1", results = results), "results.json")
left_out <- list(list(reason = "a variable is missing, or a transplantation without its time", n = nrow(raw) - n))
write(list(schema = "counterproof/flow/1", assessed = nrow(raw), excluded = left_out, analysed = n), "flow.json")
