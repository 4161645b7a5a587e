"""The words by which identifiers are announced, in text and in names of columns, in seven languages.

One table, from the kind of identifier to the words that stand before a value of it (English, German, French, Spanish,
Italian, Dutch, Portuguese), and one to the words that name a column of it. A word in a column's name counts where it
stands alone between capitals, digits, spaces and underscores: `zip` in `home_zip`, not in `unzipped`.

It does not cover other languages: there, only the form of the values speaks.

Source: the 18 identifiers of the HIPAA Privacy Rule, 45 CFR 164.514(b)(2).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Literal

Kind = Literal[
    "name",
    "place",
    "date",
    "phone",
    "fax",
    "email",
    "national number",
    "medical record number",
    "health plan number",
    "account number",
    "licence number",
    "vehicle",
    "device",
    "url",
    "ip address",
    "biometric",
    "photograph",
    "other number",
]
"""The 18 kinds, in the order of the rule; `national number` is the social security number and its kin."""

_NO = r"(?:[ _]?(?:no|nr|num|number|nummer|numero|número|numéro|id|code|#)\b\.?)"

BEFORE_VALUES: MappingProxyType[Kind, str] = MappingProxyType(
    {
        "name": r"(?:patient|full|first|last|family|given|maiden|birth)?[ _]?names?|surname|forename|nachname|vorname|"
        r"nom(?: de famille)?|pr[ée]nom|nombre|apellidos?|cognome|naam|achternaam|nome|sobrenome|next of kin|"
        r"emergency contact|attending|referring physician|patient|paciente|paziente",
        "place": r"(?:home |postal |street )?address|street|city|town|village|county|zip(?:[ _]?code)?|post(?:al)?[ _]?code|"
        r"plz|wohnort|anschrift|adresse|stra(?:ß|ss)e|ville|code postal|direcci[óo]n|ciudad|indirizzo|citt[àa]|"
        r"endere[çc]o|adres|woonplaats|birth ?place|place of birth|geburtsort",
        "date": r"d\.?o\.?b\.?|date|born|birth ?da(?:y|te)|geburtsdatum|geb\.?|datum|fecha|data|n[ée]e? le",
        "phone": r"tel(?:ephone|efon|éphone|éfono|efono)?|phone|mobile|cell(?:phone)?|handy|call|m[óo]vil|portable|gsm",
        "fax": r"(?:tele)?fax",
        "email": r"e-?mail|correo|courriel|posta",
        "national number": r"ssn|social security|national (?:insurance|id)|nino|tax id|steuer-?id|svnr|"
        r"sozialversicherung\w*|nir|insee|s[ée]curit[ée] sociale|dni|nie|nif|codice fiscale|bsn|cpf|pesel|"
        r"personn?ummer|cpr|aadhaar|sin|tin|identity card|personalausweis\w*|ausweis",
        "medical record number": r"mrn|medical record|chart|hospital|patient(?:en)?|case|fall|encounter|accession|nhs|"
        r"record|dossier|historia(?: cl[íi]nica)?|episode|visit|specimen|sample|cartella|ipp|nip|prontu[áa]rio|umr|urn",
        "health plan number": r"member|beneficiary|policy|subscriber|insurance|mbi|medicare|medicaid|group|plan|"
        r"versicherten\w*|krankenkasse\w*|kvnr|carte vitale|mutuelle|seguro|tessera sanitaria|polis",
        "account number": r"account|acct\.?|iban|konto\w*|card|credit card|cuenta|compte|billing|invoice|rechnung\w*|"
        r"routing|conto|rekening|conta",
        "licence number": r"licen[cs]e|certificate|permit|dea|npi|registration|passport|reisepass|passeport|pasaporte|"
        r"passaporto|driving|driver'?s|f[üu]hrerschein|gmc|permis|patente|lanr|bsnr|approbation\w*|rijbewijs",
        "vehicle": r"(?:licen[cs]e |number |registration )?plate|vehicle|vin|kennzeichen|immatriculation|matr[íi]cula|"
        r"targa|kenteken|placa|car registration",
        "device": r"serial|device|implant|pacemaker|udi|imei|mac(?: address)?|s/n|sn|seriennummer|lot|pump|stent",
        "url": r"url|web ?site|web ?page|homepage|link|profile",
        "ip address": r"ip(?:[ _]?address|v4|v6|-adresse)?",
        "biometric": r"finger ?print|biometric|iris|retina(?:l)?(?: scan)?|voice ?print|face (?:id|template)|palm ?print|"
        r"minutiae|fingerabdruck|empreinte|huella",
        "photograph": r"photo(?:graph)?|picture|portrait|image|foto|bild|selfie",
        "other number": r"(?:study|subject|participant|donor|customer|employee|student|user|session|tracking)"
        r"(?:[ _]?(?:id|code|key|no))?|token|user ?name|login|handle|uuid|guid|badge|pseudonym|barcode|kit",
    }
)
"""What stands before a value in text, as a regular expression without anchors."""

_COLUMNS: MappingProxyType[Kind, str] = MappingProxyType(
    {
        "name": "name surname firstname lastname fullname forename nachname vorname nom prenom nombre apellido apellidos "
        "cognome naam achternaam physician initials kin",
        "place": "address street city town village county zip zipcode postcode postalcode postal plz wohnort anschrift "
        "adresse strasse ville direccion ciudad indirizzo birthplace geburtsort latitude longitude geocode",
        "date": "dob birthdate birthday geburtsdatum dateofbirth",
        "phone": "phone telephone telefon telefono tel mobile cellphone handynummer",
        "fax": "fax telefax",
        "email": "email mail e_mail correo courriel",
        "national number": "ssn nino nir insee dni codicefiscale bsn cpf pesel personnummer cpr aadhaar steuerid svnr "
        "nationalid",
        "medical record number": "mrn nhs patientid patientno patientnumber patientennummer fallnummer chartno caseno "
        "accession encounterid hospitalno ipp",
        "health plan number": "memberid beneficiary subscriber policyno policynumber mbi medicareid medicaidid kvnr "
        "versichertennummer insuranceno insurancenumber",
        "account number": "account accountno accountnumber iban kontonummer cardnumber creditcard invoice",
        "licence number": "license licence passport certificateno driverslicense npi dea lanr fuehrerschein",
        "vehicle": "vin plate licenseplate numberplate kennzeichen vehicleid matricula targa",
        "device": "serial serialno serialnumber deviceid imei macaddress udi seriennummer implantid",
        "url": "url website webpage homepage weblink",
        "ip address": "ip ipaddress ipaddr",
        "biometric": "fingerprint biometric iris retinascan voiceprint faceid minutiae",
        "photograph": "photo photograph picture portrait selfie foto",
        "other number": "id uid uuid guid subjectid usubjid subjid seqn username login token barcode badge subject patient "
        "participant person proband donor",
    }
)
COLUMN_WORDS: MappingProxyType[str, Kind] = MappingProxyType(
    {word: kind for kind, words in _COLUMNS.items() for word in words.split()}
)
"""What a word in the name of a column says it holds."""
WHOLE_NAME_ONLY = frozenset({"subject", "patient", "participant", "person", "proband", "donor", "iris", "tel", "mail"})
"""Words that name an identifier only where they are the whole name: `patient_age` is none."""
SUBJECT_WORDS = frozenset(
    {"id", "uid", "subject", "subjectid", "usubjid", "subjid", "patient", "patientid", "participant", "person"}
    | {"proband", "donor", "mrn", "seqn", "patientno", "patientnumber"}
)
"""What names the column that tells persons apart."""
QUASI_WORDS = frozenset(
    [
        "age",
        "sex",
        "gender",
        "race",
        "ethnicity",
        "ethnic",
        "marital",
        "married",
        "education",
        "educ",
        "occupation",
        "job",
        "employment",
        "religion",
        "language",
        "country",
        "nationality",
        "region",
        "state",
        "province",
        "district",
        "site",
        "center",
        "centre",
        "inst",
        "institution",
        "hospital",
        "clinic",
        "ward",
        "income",
        "household",
        "insurance",
        "birthyear",
        "yob",
        "alter",
        "geschlecht",
        "beruf",
        "sexe",
        "edad",
        "sexo",
        "eta",
        "sesso",
    ]
)
"""What anybody may know of a neighbour: columns that single a person out together."""
NUMBER_WORD = _NO
