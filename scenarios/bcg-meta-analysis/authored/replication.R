# BCG against tuberculosis, independently: a profile of the restricted likelihood, solved for its score.
folder <- Sys.getenv("COUNTERPROOF_DATA")
out <- Sys.getenv("COUNTERPROOF_OUT")
level <- 0.95
z <- qnorm(1 - (1 - level) / 2)
raw <- read.csv(file.path(folder, "bcg.csv"))
cells <- c("tpos", "tneg", "cpos", "cneg")
trials <- raw[complete.cases(raw[c(cells, "ablat")]), ]
if (any(trials[cells] <= 0)) stop("a trial has an empty cell; the log risk ratio needs all four cells")
y <- with(trials, log(tpos / (tpos + tneg)) - log(cpos / (cpos + cneg)))
v <- with(trials, 1 / tpos - 1 / (tpos + tneg) + 1 / cpos - 1 / (cpos + cneg))
k <- length(y)

# P is the projection that takes the fixed part out; the score of the restricted likelihood is zero at tau2.
fit <- function(x) {
  projection <- function(tau2) {
    w <- diag(1 / (v + tau2))
    w - w %*% x %*% solve(t(x) %*% w %*% x, t(x) %*% w)
  }
  score <- function(tau2) {
    p <- projection(tau2)
    drop(t(y) %*% p %*% p %*% y) - sum(diag(p))
  }
  tau2 <- if (score(0) <= 0) 0 else uniroot(score, c(0, 1 + 10 * var(y)), extendInt = "downX", tol = 1e-13)$root
  w <- 1 / (v + tau2)
  variance <- solve(t(x) %*% (w * x))
  list(tau2 = tau2, beta = drop(variance %*% (t(x) %*% (w * y))), se = sqrt(diag(variance)))
}
pooled <- fit(matrix(1, k, 1))
regression <- fit(cbind(1, trials$ablat))
w <- 1 / v
q <- sum(w * (y - weighted.mean(y, w))^2)
typical <- (k - 1) * sum(w) / (sum(w)^2 - sum(w^2))
spread <- sqrt(pooled$tau2 + pooled$se^2)
result <- function(id, label, value, unit, method, ...) {
  c(list(id = id, label = label, value = value, unit = unit, n = k, method = method,
         population = "trials with four cells and latitude"), list(...))
}
wald <- function(estimate, error, change = identity) {
  list(ci_low = change(estimate - z * error), ci_high = change(estimate + z * error), ci_level = level,
       p_value = 2 * pnorm(-abs(estimate / error)))
}
reml <- "random effects, restricted maximum likelihood"
results <- list(
  result("trials", "Trials pooled", k, "count", "count"),
  c(result("rr_pooled", "Risk ratio of tuberculosis, vaccinated against controls", exp(pooled$beta), "ratio", reml),
    wald(pooled$beta, pooled$se, exp)),
  result("tau2", "Variance between trials (log risk ratio)", pooled$tau2, "statistic", reml),
  result("i2", "Share of variance between trials", pooled$tau2 / (pooled$tau2 + typical), "probability", reml),
  result("q", "Cochran's Q", q, "statistic", "inverse variance weights",
         p_value = pchisq(q, k - 1, lower.tail = FALSE)),
  result("prediction_low", "Lower end of the prediction interval", exp(pooled$beta - z * spread), "ratio", reml),
  result("prediction_high", "Upper end of the prediction interval", exp(pooled$beta + z * spread), "ratio", reml),
  c(result("slope_latitude", "Change of the log risk ratio per degree of latitude", regression$beta[2], "per degree",
           "meta-regression, restricted maximum likelihood"), wald(regression$beta[2], regression$se[2]))
)
write <- function(value, name) jsonlite::write_json(value, file.path(out, name), auto_unbox = TRUE, digits = NA)
write(list(schema = "counterproof/results/1", results = results), "results.json")
left_out <- list(list(reason = "a cell or the latitude is missing", n = nrow(raw) - k))
write(list(schema = "counterproof/flow/1", assessed = nrow(raw), excluded = left_out, analysed = k), "flow.json")
