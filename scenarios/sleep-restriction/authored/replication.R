# Reaction time under sleep restriction, independently: lme4.
suppressPackageStartupMessages(library(lme4))
folder <- Sys.getenv("COUNTERPROOF_DATA")
out <- Sys.getenv("COUNTERPROOF_OUT")
level <- 0.95
z <- qnorm(1 - (1 - level) / 2)
raw <- read.csv(file.path(folder, "sleepstudy.csv"))
used <- raw[complete.cases(raw[c("Reaction", "Days", "Subject")]), ]
if (any(used$Reaction <= 0) || any(used$Days < 0 | used$Days > 9)) stop("a value is out of its range")
control <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9))
fit <- lmer(Reaction ~ Days + (Days | Subject), data = used, REML = TRUE, control = control)
estimates <- fixef(fit)
errors <- sqrt(diag(as.matrix(vcov(fit))))
between <- attr(VarCorr(fit)$Subject, "stddev")
n <- nrow(used)
subjects <- length(unique(used$Subject))
result <- function(id, label, value, unit, method, population = "all subjects, all measurements", ...) {
  c(list(id = id, label = label, value = unname(value), unit = unit, n = subjects, method = method,
         population = population), list(...))
}
wald <- function(term) {
  value <- estimates[[term]]
  error <- errors[[term]]
  list(ci_low = value - z * error, ci_high = value + z * error, ci_level = level, p_value = 2 * pnorm(-abs(value / error)))
}
names(errors) <- names(estimates)
mixed <- "linear mixed model, random intercept and slope per subject, restricted maximum likelihood"
results <- list(
  result("subjects", "Subjects", subjects, "count", "count"),
  result("measurements", "Measurements", n, "count", "count"),
  c(result("intercept", "Reaction time on day 0", estimates["(Intercept)"], "ms", mixed), wald("(Intercept)")),
  c(result("slope", "Change of reaction time per day", estimates["Days"], "ms per day", mixed), wald("Days")),
  result("slope_se", "Standard error of the change per day", errors["Days"], "ms per day", mixed),
  result("sd_intercept", "Standard deviation of the intercept between subjects", between["(Intercept)"], "ms", mixed),
  result("sd_slope", "Standard deviation of the slope between subjects", between["Days"], "ms per day", mixed),
  result("sd_residual", "Residual standard deviation", sigma(fit), "ms", mixed)
)
write <- function(value, name) jsonlite::write_json(value, file.path(out, name), auto_unbox = TRUE, digits = NA)
write(list(schema = "counterproof/results/1", results = results), "results.json")
write(list(schema = "counterproof/flow/1", assessed = subjects, excluded = list(), analysed = subjects), "flow.json")
