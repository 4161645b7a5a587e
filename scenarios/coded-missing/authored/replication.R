# Maternal smoking and birth weight, independently: lm after the missing value codes became NA.
folder <- Sys.getenv("COUNTERPROOF_DATA")
out <- Sys.getenv("COUNTERPROOF_OUT")
level <- 0.95
used_names <- c("bwt", "gestation", "parity", "age", "height", "weight", "smoke")
raw <- read.csv(file.path(folder, "babies_coded.csv"))[used_names]
births <- raw
for (name in c("gestation", "weight")) births[[name]][births[[name]] %in% 999] <- NA
for (name in c("age", "height")) births[[name]][births[[name]] %in% 99] <- NA
births$smoke[births$smoke %in% 9] <- NA
births <- na.omit(births)
if (!all(births$smoke %in% 0:1)) stop("smoke must be 0 or 1, or 9 for missing")
fit <- lm(bwt ~ smoke + weight + height + age + parity + gestation, data = births)
found <- summary(fit)$coefficients
ends <- confint(fit, level = level)
n <- nrow(births)
result <- function(id, label, value, unit, method, ...) {
  c(list(id = id, label = label, value = unname(value), unit = unit, n = n, method = method,
         population = "births with all variables known"), list(...))
}
slope <- function(id, label, term, unit) {
  result(id, label, found[term, 1], unit, "linear regression", ci_low = ends[[term, 1]], ci_high = ends[[term, 2]],
         ci_level = level, p_value = found[[term, 4]])
}
results <- list(
  result("births", "Births analysed", n, "count", "count"),
  slope("effect_smoking", "Birth weight, smokers minus non-smokers, adjusted", "smoke", "oz"),
  result("se_smoking", "Standard error of the effect of smoking", found["smoke", 2], "oz", "linear regression"),
  slope("effect_gestation", "Birth weight for a day of gestation", "gestation", "oz per day"),
  slope("effect_height", "Birth weight for an inch of height", "height", "oz per inch"),
  result("intercept", "Intercept", found["(Intercept)", 1], "oz", "linear regression")
)
write <- function(value, name) jsonlite::write_json(value, file.path(out, name), auto_unbox = TRUE, digits = NA)
write(list(schema = "counterproof/results/1", results = results), "results.json")
left_out <- list(list(reason = "a variable is coded as missing", n = nrow(raw) - n))
write(list(schema = "counterproof/flow/1", assessed = nrow(raw), excluded = left_out, analysed = n), "flow.json")
