"""The flaws in R."""

from __future__ import annotations

from . import made_data as made
from .flaw import Flaw, real

_LUNG = 'd <- read.csv(file.path(source_folder, "lung.csv"))\n'

R_FLAWS = (
    Flaw(
        id="rows of one subject taken as independent (R)", check="repeated_subjects", source="sleepstudy", data=real("sleepstudy.csv"), language="r",
        plan="linear mixed model of Reaction on Days with random intercept and slope for each Subject", outcome="Reaction", exposure="Days",
        flawed="""
d <- read.csv(file.path(source_folder, "sleepstudy.csv"))
m <- lm(Reaction ~ Days, data = d)
write(list(row("slope", coef(m)["Days"], "ms a day", nrow(d))), nrow(d), nrow(d))
""",
        sound="""
library(nlme)
d <- read.csv(file.path(source_folder, "sleepstudy.csv"))
m <- lme(Reaction ~ Days, random = ~ Days | Subject, data = d)
write(list(row("slope", fixef(m)["Days"], "ms a day", nrow(d))), nrow(d), nrow(d))
""",
    ),
    Flaw(
        id="immortal time (R)", check="immortal_time", source="heart_transplant", data=real("heart_transplant.csv"), language="r",
        plan="Cox model of time-dependent transplant with tstart and tstop from acceptance to death (futime, fustat, wait.time)", outcome="fustat", exposure="transplant",
        flawed="""
library(survival)
d <- read.csv(file.path(source_folder, "heart_transplant.csv"))
m <- coxph(Surv(futime, fustat) ~ transplant, data = d)
write(list(row("hr", exp(coef(m)), "ratio", nrow(d))), nrow(d), nrow(d))
""",
        sound="""
library(survival)
d <- read.csv(file.path(source_folder, "heart_transplant.csv"))
d$who <- seq_len(nrow(d))
d$futime <- pmax(d$futime, 0.5)
d$wait <- pmin(pmax(d$wait.time, 0.25), d$futime - 0.25)
long <- tmerge(d, d, id = who, death = event(futime, fustat), transplant = tdc(wait))
m <- coxph(Surv(tstart, tstop, death) ~ transplant, data = long)
write(list(row("hr", exp(coef(m)), "ratio", nrow(d))), nrow(d), nrow(d))
""",
    ),
    Flaw(
        id="paired measurements taken as two groups (R)", check="paired", source="pressure (made)", data=made.before_after, language="r",
        plan="paired t test of before and after", outcome="after",
        flawed="""
d <- read.csv(file.path(source_folder, "pressure.csv"))
t <- t.test(d$before, d$after)
write(list(row("t", t$statistic, "statistic", nrow(d), t$p.value)), nrow(d), nrow(d))
""",
        sound="""
d <- read.csv(file.path(source_folder, "pressure.csv"))
t <- t.test(d$before, d$after, paired = TRUE)
write(list(row("t", t$statistic, "statistic", nrow(d), t$p.value)), nrow(d), nrow(d))
""",
    ),
    Flaw(
        id="codes for missing taken as numbers (R)", check="sentinels", source="babies_coded", data=real("babies_coded.csv"), language="r",
        plan="linear regression of bwt on gestation, parity, age, height, weight and smoke; codes 9, 99, 999 are missing", outcome="bwt", exposure="smoke",
        flawed="""
d <- read.csv(file.path(source_folder, "babies_coded.csv"))
m <- lm(bwt ~ gestation + parity + age + height + weight + smoke, data = d)
write(list(row("smoking", coef(m)["smoke"], "oz", nrow(d))), nrow(d), nrow(d))
""",
        sound="""
d <- read.csv(file.path(source_folder, "babies_coded.csv"))
for (name in c("gestation", "weight")) d[[name]][d[[name]] == 999] <- NA
for (name in c("age", "height")) d[[name]][d[[name]] == 99] <- NA
d$smoke[d$smoke == 9] <- NA
whole <- d[complete.cases(d), ]
m <- lm(bwt ~ gestation + parity + age + height + weight + smoke, data = whole)
lost <- nrow(d) - nrow(whole)
write(list(row("smoking", coef(m)["smoke"], "oz", nrow(whole))), nrow(d), nrow(whole), list(list(reason = "missing", n = lost)))
""",
    ),
    Flaw(
        id="rows dropped by the library (R)", check="dropped_rows", source="lung", data=real("lung.csv"), language="r",
        plan="Cox model of death (status, time) by ph.ecog and sex; complete cases", outcome="status", exposure="ph.ecog",
        flawed="library(survival)\n" + _LUNG + """
m <- coxph(Surv(time, status) ~ ph.ecog + sex, data = d)
write(list(row("hr", exp(coef(m)[1]), "ratio", nrow(d))), nrow(d), nrow(d))
""",
        sound="library(survival)\n" + _LUNG + """
whole <- d[complete.cases(d[, c("time", "status", "ph.ecog", "sex")]), ]
m <- coxph(Surv(time, status) ~ ph.ecog + sex, data = whole)
lost <- nrow(d) - nrow(whole)
write(list(row("hr", exp(coef(m)[1]), "ratio", nrow(whole))), nrow(d), nrow(whole), list(list(reason = "missing", n = lost)))
""",
    ),
    Flaw(
        id="random numbers without a seed (R)", check="seed", source="lbw", data=real("lbw.csv"), language="r",
        plan="bootstrap error of the mean of bwt", outcome="bwt",
        flawed="""
d <- read.csv(file.path(source_folder, "lbw.csv"))
draws <- replicate(200, mean(sample(d$bwt, replace = TRUE)))
write(list(row("error", sd(draws), "grams", nrow(d))), nrow(d), nrow(d))
""",
        sound="""
set.seed(as.numeric(Sys.getenv("COUNTERPROOF_SEED")) %% .Machine$integer.max)
d <- read.csv(file.path(source_folder, "lbw.csv"))
draws <- replicate(200, mean(sample(d$bwt, replace = TRUE)))
write(list(row("error", sd(draws), "grams", nrow(d))), nrow(d), nrow(d))
""",
    ),
    Flaw(
        id="a result written down (R)", check="literals", source="lbw", data=real("lbw.csv"), language="r",
        plan="logistic regression of low on smoke; odds ratio", outcome="low", exposure="smoke",
        flawed="""
d <- read.csv(file.path(source_folder, "lbw.csv"))
one <- list(id = "odds", label = "odds ratio", value = 2.0219, unit = "ratio", n = nrow(d), method = "logistic", population = "all")
write(list(one), nrow(d), nrow(d))
""",
        sound="""
d <- read.csv(file.path(source_folder, "lbw.csv"))
m <- glm(low ~ smoke, family = binomial, data = d)
one <- list(id = "odds", label = "odds ratio", value = unname(exp(coef(m)["smoke"])), unit = "ratio", n = nrow(d), method = "logistic", population = "all")
write(list(one), nrow(d), nrow(d))
""",
    ),
    Flaw(
        id="chi-squared test of a sparse table (R)", check="sparse_cells", source="indo_rct", data=real("indo_rct.csv"), language="r",
        plan="Fisher exact test of outcome between acinar yes and no", outcome="outcome", exposure="acinar", design="randomised_trial",
        flawed="""
d <- read.csv(file.path(source_folder, "indo_rct.csv"))
t <- chisq.test(table(d$asa325, d$outcome))
write(list(row("chi2", t$statistic, "statistic", nrow(d), t$p.value)), nrow(d), nrow(d))
""",
        sound="""
d <- read.csv(file.path(source_folder, "indo_rct.csv"))
t <- fisher.test(table(d$asa325, d$outcome))
write(list(row("p", t$p.value, "probability", nrow(d), t$p.value)), nrow(d), nrow(d))
""",
    ),
    Flaw(
        id="twenty proteins, the smallest p reported (R)", check="multiplicity", source="proteins (made)", data=made.panel, language="r",
        plan="t tests of protein1 to protein20 between ill and others with the false discovery rate controlled", outcome="ill",
        flawed="""
d <- read.csv(file.path(source_folder, "proteins.csv"))
p <- sapply(paste0("protein", 1:20), function(name) t.test(d[[name]] ~ d$ill)$p.value)
write(list(row("smallest_p", min(p), "probability", nrow(d), min(p))), nrow(d), nrow(d))
""",
        sound="""
d <- read.csv(file.path(source_folder, "proteins.csv"))
p <- sapply(paste0("protein", 1:20), function(name) t.test(d[[name]] ~ d$ill)$p.value)
q <- p.adjust(p, "BH")
write(list(row("smallest_q", min(q), "probability", nrow(d), min(q))), nrow(d), nrow(d))
""",
    ),
    Flaw(
        id="warnings of a model silenced (R)", check="convergence", source="mutation (made)", data=made.separated, language="r",
        plan="logistic regression of ill on age; Fisher exact test of ill by mutation", outcome="ill", exposure="mutation",
        flawed="""
d <- read.csv(file.path(source_folder, "mutation.csv"))
m <- suppressWarnings(glm(ill ~ mutation + age, family = binomial, data = d))
write(list(row("odds", exp(coef(m)["age"]), "ratio", nrow(d))), nrow(d), nrow(d))
""",
        sound="""
d <- read.csv(file.path(source_folder, "mutation.csv"))
t <- fisher.test(table(d$mutation, d$ill))
write(list(row("p", t$p.value, "probability", nrow(d), t$p.value)), nrow(d), nrow(d))
""",
    ),
    Flaw(
        id="the outcome among the predictors (R)", check="target_leakage", source="lbw", data=real("lbw.csv"), language="r",
        plan="logistic regression of low on smoke, age and lwt; bwt", outcome="low", exposure="smoke",
        flawed="""
d <- read.csv(file.path(source_folder, "lbw.csv"))
m <- glm(low ~ smoke + age + bwt, family = binomial, data = d)
write(list(row("odds", exp(coef(m)["smoke"]), "ratio", nrow(d))), nrow(d), nrow(d))
""",
        sound="""
d <- read.csv(file.path(source_folder, "lbw.csv"))
m <- glm(low ~ smoke + age + lwt, family = binomial, data = d)
write(list(row("odds", exp(coef(m)["smoke"]), "ratio", nrow(d))), nrow(d), nrow(d))
""",
    ),
)  # fmt: skip
