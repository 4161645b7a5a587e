"""A labelled set of identifiers: all 18 kinds in six forms, and clinical values that are none.

The values come from `faker` in nine locales, and where it has none from forms that are published by those who issue
them. The finder was written without them. The six forms are: a column with a telling name, a column that is called by a
word of another language or an abbreviation, a column whose name tells nothing (each value three times, so that not
being unique is no help), a text that announces the value, a sentence of a clinical note, and a row of a record (HL7
bars, JSON).
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from faker import Faker

LOCALES = ("en_US", "en_GB", "de_DE", "fr_FR", "es_ES", "it_IT", "nl_NL", "pt_BR", "en_IN")
FORMS = ("named column", "other name", "neutral column", "announced", "sentence", "record")
A_FORM = 20

COLUMN = {
    "name": ("patient_name", "Nachname"),
    "place": ("HomeAddress", "wohnort"),
    "date": ("birth_date", "Geburtsdatum"),
    "phone": ("phone", "telefono"),
    "fax": ("fax_number", "Telefax"),
    "email": ("Email", "courriel"),
    "national number": ("SSN", "codice_fiscale"),
    "medical record number": ("mrn", "Fallnummer"),
    "health plan number": ("member_id", "Versichertennummer"),
    "account number": ("account_no", "IBAN"),
    "licence number": ("driver_license", "passport"),
    "vehicle": ("license_plate", "Kennzeichen"),
    "device": ("device_id", "Seriennummer"),
    "url": ("website", "homepage"),
    "ip address": ("ip_address", "IP"),
    "biometric": ("fingerprint", "retina_scan"),
    "photograph": ("photo", "foto"),
    "other number": ("subject_id", "UUID"),
}
ANNOUNCED = {
    "name": ("Patient name: {}", "Nachname: {}", "Next of kin = {}"),
    "place": ("Address: {}", "Wohnort: {}", "Home address = {}"),
    "date": ("DOB: {}", "date of birth {}", "admitted {}"),
    "phone": ("Tel. {}", "Mobile: {}", "phone no. {}"),
    "fax": ("Fax: {}", "Fax no. {}", "Telefax {}"),
    "email": ("e-mail {}", "Email: {}", "mailto:{}"),
    "national number": ("SSN {}", "National ID: {}", "tax id = {}"),
    "medical record number": ("MRN {}", "Hospital no: {}", "Patient ID = {}"),
    "health plan number": ("Member ID: {}", "insurance no. {}", "policy number {}"),
    "account number": ("Account {}", "acct no: {}", "IBAN {}"),
    "licence number": ("License number {}", "passport no: {}", "certificate {}"),
    "vehicle": ("plate {}", "Vehicle: {}", "VIN/plate: {}"),
    "device": ("serial no. {}", "Device ID: {}", "pacemaker S/N {}"),
    "url": ("website {}", "URL: {}", "link = {}"),
    "ip address": ("IP {}", "IP address: {}", "logged from ip {}"),
    "biometric": ("fingerprint hash {}", "Iris code: {}", "voiceprint {}"),
    "photograph": ("photo {}", "Picture: {}", "image file {}"),
    "other number": ("Subject ID {}", "study code: {}", "user name token {}"),
}
SENTENCE = {
    "name": (
        "Pt was seen by Dr {} for chest pain.",
        "Her sister {} reports two falls.",
        "Discussed with {} at 3 pm; stable.",
    ),
    "place": (
        "He lives at {} with his wife.",
        "She moved to {} after surgery.",
        "Retired teacher living in {}, no pets.",
    ),
    "date": ("Admitted on {} with NSTEMI.", "Last seen {}; BP 130/80.", "Tumour resected {} without complication."),
    "phone": ("Please call {} with the results.", "Reachable under {} after 5 pm.", "Daughter's mobile is {}."),
    "fax": ("Send the report by fax to {}.", "Results faxed, fax {} busy.", "Their fax is {}."),
    "email": ("Results go to {} as agreed.", "Write to {} about follow-up.", "Contact {} for consent."),
    "national number": (
        "The card shows SSN {} on it.",
        "Social security number {} was verified.",
        "National ID {} seen.",
    ),
    "medical record number": (
        "See chart {} for prior ECGs.",
        "Transferred under MRN {} yesterday.",
        "Hospital number {} applies.",
    ),
    "health plan number": (
        "Covered by policy {} since spring.",
        "Insurance number {} confirmed.",
        "Member ID {} is active.",
    ),
    "account number": (
        "Bill goes to account {} monthly.",
        "Paid with card {} at the desk.",
        "Refund to account number {}.",
    ),
    "licence number": (
        "Driving license {} was revoked after syncope.",
        "Passport {} presented.",
        "License no. {} on file.",
    ),
    "vehicle": (
        "Involved car had plate {} in the crash.",
        "Vehicle {} hit the tree.",
        "Licence plate {} noted by police.",
    ),
    "device": (
        "Implanted device {} works well.",
        "Pump serial number {} replaced.",
        "Pacemaker serial {} interrogated.",
    ),
    "url": ("Her blog {} describes the course.", "He posted at {} about it.", "Profile at {} found."),
    "ip address": ("Telemonitor connects from {} nightly.", "Portal login from IP {}.", "The app sent data from {}."),
    "biometric": ("Template fingerprint {} enrolled at triage.", "Iris scan {} matched.", "Stored voiceprint {}."),
    "photograph": ("Wound photo {} attached.", "Portrait saved as {} today.", "See {} for the rash on the face."),
    "other number": (
        "Enrolled as participant {} in the trial.",
        "Subject {} withdrew consent.",
        "Study ID {} assigned.",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """One identifier in one form."""

    kind: str
    form: str
    value: str
    text: str
    """The whole text, or the cell."""
    column: str
    """Name of its column; "" for text."""


def labelled(seed: int) -> list[Labelled]:
    """Return the set: the same for one seed."""
    fakers = [Faker(locale) for locale in LOCALES]
    for at, one in enumerate(fakers):
        one.seed_instance(seed + at)
    chance = random.Random(seed)
    made = []
    for kind in COLUMN:
        for form in FORMS:
            for at in range(A_FORM):
                value = _value(kind, chance.choice(fakers), chance)
                made.append(_in_form(kind, form, value, at, chance))
    return made


def clinical(seed: int) -> dict[str, list[str]]:
    """Return columns of values that are nobody's, by their names."""
    chance = random.Random(seed)
    letters = "ABCDEFGHJKLMN"
    units = ("g/dL", "mmol/L", "10^9/L", "U/L", "mg/dl", "%", "mL/min/1.73m2", "ng/mL")
    genes = "TP53 BRCA1 BRCA2 EGFR KRAS BRAF ALK MET HER2 PTEN MLH1 MSH2 APOE LDLR CFTR HBB F5 JAK2 HLA-DRB1 HLA-B C9orf72 CD274 NKX2-1"
    return {
        "haemoglobin": [f"{chance.uniform(7, 17):.1f} {units[0]}" for _ in range(20)],
        "result": [
            f"{chance.choice(['<', '>', ''])}{chance.uniform(0, 300):.2f} {chance.choice(units)}" for _ in range(20)
        ],
        "bp": [f"{chance.randint(90, 180)}/{chance.randint(50, 110)}" for _ in range(20)],
        "gene": genes.split()[:20],
        "variant": [f"c.{chance.randint(10, 5000)}{chance.choice('ACGT')}>{chance.choice('ACGT')}" for _ in range(20)],
        "rsid": [f"rs{chance.randint(1000, 99999999)}" for _ in range(20)],
        "icd": [f"{chance.choice(letters)}{chance.randint(10, 99)}.{chance.randint(0, 9)}" for _ in range(20)],
        "icd10cm": [f"S{chance.randint(10, 99)}.{chance.randint(100, 999)}A" for _ in range(20)],
        "atc": [
            f"{chance.choice('ABCDGHJLMNPRSV')}{chance.randint(1, 16):02d}{chance.choice('ABC')}{chance.choice('ABCD')}{chance.randint(1, 60):02d}"
            for _ in range(20)
        ],
        "loinc": [f"{chance.randint(100, 99999)}-{chance.randint(0, 9)}" for _ in range(20)],
        "dose": [f"{chance.choice([5, 10, 20, 50])} mg {chance.choice(['bid', 'daily', 'tds'])}" for _ in range(20)],
        "stage": [chance.choice(["I", "IIA", "IIIB", "IV"]) for _ in range(20)],
        "ecog": [chance.choice(["ECOG 0", "ECOG 1", "ECOG 2"]) for _ in range(20)],
    }


CLINICAL_TEXT = (
    "Hb 13.2 g/dL, Plt 250 x10^9/L, Na 138 mmol/L, CRP < 5 mg/L.",
    "Graves disease and Parkinson disease excluded; NYHA II, ECOG 1, Karnofsky 90.",
    "EGFR exon 19 deletion, TP53 R175H, KRAS G12C negative, HLA-B27 positive.",
    "ICD-10 E11.9, I10 and C50.911; ATC C09AA05; LOINC 2160-0 and 718-7.",
    "BP 142/88 mmHg, HR 72, SpO2 97 %, BMI 27.4, GFR 58 mL/min/1.73 m2.",
    "Metformin 500 mg bid, Ramipril 5 mg daily, Insulin glargine 22 units at night.",
    "Hodgkin Lymphoma stage IIB, Ann Arbor classification, ABVD x 6 cycles.",
    "Whipple procedure, Billroth II anastomosis, Roux-en-Y, Fontan circulation.",
    "Left ventricular ejection fraction 35-40 %, QTc 460 ms, TIMI 3 flow.",
    "Glasgow Coma Scale 14, Apgar 9/10/10, APACHE II 21, Charlson index 3.",
    "rs429358 genotype, APOE e4/e4, NM_007294.4:c.5266dupC, ENSG00000139618.",
    "Trial NCT01234567, PMID 30049270, SNOMED 38341003, version 4.10.2 of the software.",
    "Group 2 received 12 cycles; case 3 of 40; visit 4 at week 12; plate 7 well B3.",
    "Crohn disease, Marfan syndrome, Babinski sign negative, Romberg test normal.",
    "Odds ratio 1.73 (95% CI 1.12-2.67), p = 0.013, n = 1284, follow-up 36.5 months.",
    "Sample mean 5.4, lot of variation; hospital stay 12 days; age 45 to 67 years.",
)


def _in_form(kind: str, form: str, value: str, at: int, chance: random.Random) -> Labelled:
    if form in ("named column", "other name"):
        return Labelled(kind=kind, form=form, value=value, text=value, column=COLUMN[kind][form == "other name"])
    if form == "neutral column":
        return Labelled(kind=kind, form=form, value=value, text=value, column="v7")
    if form == "announced":
        text = ANNOUNCED[kind][at % 3].format(value)
    elif form == "sentence":
        text = SENTENCE[kind][at % 3].format(value)
    elif at % 2:
        text = f'{{"v": 3, "{COLUMN[kind][0]}": "{value}", "hb": 12.5}}'
    else:
        text = f"OBX|7|{COLUMN[kind][0]}|{value}|F"
    return Labelled(kind=kind, form=form, value=value, text=text, column="")


def _value(kind: str, fake: Faker, chance: random.Random) -> str:
    digits = "".join(chance.choice("0123456789") for _ in range(12))
    letters = "".join(chance.choice("ABCDEFGHJKLMNPRSTUVWXYZ") for _ in range(4))
    match kind:
        case "name":
            return f"{fake.first_name()} {fake.last_name()}"
        case "place":
            return chance.choice([fake.street_address(), f"{fake.postcode()} {fake.city()}", fake.city()]).replace(
                "\n", ", "
            )
        case "date":
            day = fake.date_of_birth(minimum_age=1, maximum_age=95)
            return day.strftime(
                chance.choice(["%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%d %B %Y", "%d-%b-%Y", "%B %d, %Y"])
            )
        case "phone" | "fax":
            return fake.phone_number()
        case "email":
            return fake.email()
        case "national number":
            return fake.ssn()
        case "medical record number":
            return chance.choice(
                [digits[:8], f"{letters[:2]}{digits[:6]}", f"{digits[:3]}-{digits[3:7]}", f"H{digits[:7]}"]
            )
        case "health plan number":
            return chance.choice([f"{letters[:3]}{digits[:9]}", f"{letters[0]}{digits[:9]}", digits[:10]])
        case "account number":
            return chance.choice([fake.iban(), fake.credit_card_number(), digits[:10]])
        case "licence number":
            return chance.choice(
                [
                    f"{letters[0]}{digits[:7]}",
                    f"{letters[:2]}{digits[:7]}",
                    f"{letters[0]}{digits[:3]}-{digits[3:7]}-{digits[7:11]}",
                ]
            )
        case "vehicle":
            return chance.choice([fake.license_plate(), fake.vin()]) if hasattr(fake, "vin") else fake.license_plate()
        case "device":
            return chance.choice([fake.mac_address(), f"SN{digits[:8]}", f"{letters}-{digits[:6]}", f"(01){digits}01"])
        case "url":
            return chance.choice([fake.url(), f"www.{fake.domain_name()}/{fake.user_name()}"])
        case "ip address":
            return chance.choice([fake.ipv4(), fake.ipv6()])
        case "biometric":
            return chance.choice([fake.sha256(), fake.md5()])
        case "photograph":
            return fake.file_name(category="image")
        case _:
            return chance.choice(
                [fake.uuid4(), f"{letters[:2]}-{digits[:5]}", f"{digits[:3]}-{digits[3:7]}-{letters[:2]}"]
            )
