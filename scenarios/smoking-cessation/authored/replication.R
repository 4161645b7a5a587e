# Quitting smoking and weight, independently: glm for the weights, weighted least squares with its own sandwich.
folder <- Sys.getenv("COUNTERPROOF_DATA")
out <- Sys.getenv("COUNTERPROOF_OUT")
level <- 0.95
z <- qnorm(1 - (1 - level) / 2)
groups <- c("sex", "race", "education", "exercise", "active")
amounts <- c("age", "smokeintensity", "smokeyrs", "wt71")
raw <- read.csv(file.path(folder, "nhefs_complete.csv"))[c("qsmk", "wt82_71", groups, amounts)]
used <- raw[complete.cases(raw), ]
if (!all(used$qsmk %in% 0:1)) stop("qsmk must be 0 or 1")
used[groups] <- lapply(used[groups], factor)
squares <- paste0("I(", amounts, "^2)")
model <- reformulate(c(groups, amounts, squares), response = "qsmk")
propensity <- glm(model, family = binomial, data = used, control = glm.control(epsilon = 1e-12, maxit = 100))
if (!propensity$converged) stop("the model of quitting did not converge")
chance <- fitted(propensity)
share <- mean(used$qsmk)
weight <- ifelse(used$qsmk == 1, 1 / chance, 1 / (1 - chance))
stabilised <- weight * ifelse(used$qsmk == 1, share, 1 - share)

crude <- lm(wt82_71 ~ qsmk, data = used)
x <- cbind(1, used$qsmk)
bread <- solve(t(x) %*% (stabilised * x))
beta <- drop(bread %*% (t(x) %*% (stabilised * used$wt82_71)))
scores <- x * (stabilised * (used$wt82_71 - drop(x %*% beta)))
error <- sqrt((bread %*% crossprod(scores) %*% bread)[2, 2])
n <- nrow(used)
result <- function(id, label, value, unit, method, ...) {
  c(list(id = id, label = label, value = unname(value), unit = unit, n = n, method = method,
         population = "smokers of 1971 with all variables"), list(...))
}
ends <- unname(confint(crude, "qsmk", level = level))
ipw <- "inverse probability weights, robust standard error"
results <- list(
  result("participants", "Participants analysed", n, "count", "count"),
  result("quitters", "Participants who quit", sum(used$qsmk), "count", "count"),
  result("difference_crude", "Difference of weight change, quit minus not, unadjusted", coef(crude)["qsmk"], "kg",
         "difference of means", ci_low = ends[1], ci_high = ends[2], ci_level = level,
         p_value = summary(crude)$coefficients["qsmk", 4]),
  result("effect_weighted", "Average effect of quitting on weight change", beta[2], "kg", ipw,
         ci_low = beta[2] - z * error, ci_high = beta[2] + z * error, ci_level = level,
         p_value = 2 * pnorm(-abs(beta[2] / error))),
  result("weight_min", "Smallest weight", min(weight), "statistic", "inverse probability weights"),
  result("weight_max", "Largest weight", max(weight), "statistic", "inverse probability weights"),
  result("stabilised_mean", "Mean of the stabilised weights", mean(stabilised), "statistic", "stabilised weights")
)
write <- function(value, name) jsonlite::write_json(value, file.path(out, name), auto_unbox = TRUE, digits = NA)
write(list(schema = "counterproof/results/1", results = results), "results.json")
left_out <- list(list(reason = "a variable of the model is missing", n = nrow(raw) - n))
write(list(schema = "counterproof/flow/1", assessed = nrow(raw), excluded = left_out, analysed = n), "flow.json")
