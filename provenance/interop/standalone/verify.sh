#!/bin/sh
# Verifies an unpacked Counterproof bundle with coreutils and OpenSSH alone.
#
#     sh verify.sh [FOLDER]      FOLDER is the unpacked bundle; without it, the one that this file lies in
#
# The steps have the numbers and names of `counterproof verify`; those that need more than a shell are said to be not
# checked here. Exit code 0 when no step failed, else 1. This copy came with the bundle: take it from an installation of
# Counterproof when the bundle comes from somebody whom you don't trust.
set -u
LC_ALL=C
export LC_ALL
folder=${1:-$(dirname -- "$0")/../..}
cd -- "$folder" || exit 1
failed=0

say() { # number, name, outcome, evidence
    printf '%2s %-10s %s: %s\n' "$1" "$2" "$3" "$4"
    [ "$3" != failed ] || failed=$((failed + 1))
}

if command -v sha256sum >/dev/null; then sum="sha256sum"; else sum="shasum -a 256"; fi
command -v ssh-keygen >/dev/null && keygen=yes || keygen=no

say 1 container "cannot be checked here" "the bundle is unpacked"

# 2: every file is listed with its digest, and nothing is missing or too many.
seal=signatures/tagmanifest-sha256.txt.sig
stamp=$(sed -n 's/^Counterproof-Time-Stamp: //p' bag-info.txt 2>/dev/null)
listed=$({
    sed 's/^[0-9a-f]* *//' manifest-sha256.txt tagmanifest-sha256.txt
    printf '%s\n' tagmanifest-sha256.txt "$seal" ${stamp:+"$stamp"}
} 2>/dev/null | sort)
present=$(find . ! -type d 2>/dev/null | sed 's,^\./,,' | sort)
if [ ! -s manifest-sha256.txt ] || [ ! -s tagmanifest-sha256.txt ]; then
    say 2 bag failed "a manifest is missing or empty"
elif ! $sum -c tagmanifest-sha256.txt >/dev/null 2>&1; then
    say 2 bag failed "$($sum -c tagmanifest-sha256.txt 2>/dev/null | grep -v ': OK$' | head -n 1)"
elif ! $sum -c manifest-sha256.txt >/dev/null 2>&1; then
    say 2 bag failed "$($sum -c manifest-sha256.txt 2>/dev/null | grep -v ': OK$' | head -n 1)"
elif [ -n "$(find . -type l)" ]; then
    say 2 bag failed "the bag holds a link"
elif [ "$listed" != "$present" ]; then
    say 2 bag failed "the bag holds a file that is not listed, or lacks one"
else
    say 2 bag ok "$(grep -c . manifest-sha256.txt) files of the payload, $(grep -c . tagmanifest-sha256.txt) tag files"
fi

# 3: the service key signed the tag manifest.
if [ "$keygen" = no ]; then
    say 3 seal "cannot be checked here" "ssh-keygen is not on the PATH"
elif [ -f tagmanifest-sha256.txt ] && ssh-keygen -Y verify -f data/keys/service_signers -I service \
    -n counterproof-bundle -s "$seal" <tagmanifest-sha256.txt >/dev/null 2>&1; then
    if grep -q "^Counterproof-Time-Stamp:" bag-info.txt 2>/dev/null; then
        say 3 seal "cannot be checked here" "signed by the service key; the time stamp needs openssl ts -verify and its CA"
    else
        say 3 seal ok "signed by the service key"
    fi
else
    say 3 seal failed "the signature of tagmanifest-sha256.txt does not hold"
fi

# 4: each event carries the hash of the one before, and the head is the one that the bag names. Record checkpoints name
# the heads, signed, after each event where that is due; Merkle roots need more than a shell.
prev=0000000000000000000000000000000000000000000000000000000000000000
count=0
broken=
heads=
due=
if [ -r data/record/events.jsonl ]; then
    while IFS= read -r line || [ -n "$line" ]; do
        case $line in
        *"\"prev\":\"$prev\""*) ;;
        *) broken=${broken:-$count} ;;
        esac
        prev=$(printf '%s' "$line" | $sum | cut -d ' ' -f 1)
        count=$((count + 1))
        heads="$heads $count:$prev"
        case $line in
        *'"type":"study.created","v":1}' | *'"type":"decision.recorded","v":1}' | *'"type":"study.ended","v":1}')
            due="$due $count" ;;
        *) [ $((count % 1000)) != 0 ] || due="$due $count" ;;
        esac
    done <data/record/events.jsonl
fi
signed=
unsigned=
unfit=
if [ -r data/record/checkpoints.jsonl ]; then
    [ "$keygen" = no ] || work=$(mktemp) || exit 1
    while IFS= read -r line || [ -n "$line" ]; do
        statement=${line#*\",\"statement\":}
        statement=${statement%\}}
        signature=${line#*\"signature\":\"}
        length=$(printf '%s' "$statement" | sed -n 's/^{"events":\([0-9]*\),.*$/\1/p')
        head=$(printf '%s' "$statement" | sed -n 's/^.*,"head":"\([0-9a-f]*\)",.*$/\1/p')
        case "$heads " in
        *" $length:$head "*) ;;
        *) unfit=${unfit:-${length:-no}} ;;
        esac
        signed="$signed $length"
        if [ "$keygen" = no ]; then
            unsigned=", their signatures not checked here: ssh-keygen is not on the PATH"
        else
            printf '%b' "${signature%%\"*}" >"$work"
            printf '%s' "$statement" | ssh-keygen -Y verify -f data/keys/service_signers -I service \
                -n counterproof-record -s "$work" >/dev/null 2>&1 || unfit=${unfit:-${length:-no}}
        fi
    done <data/record/checkpoints.jsonl
    [ "$keygen" = no ] || rm -f "$work"
fi
if [ "$count" = 0 ]; then
    say 4 chain failed "the record is missing or empty"
elif [ -n "$broken" ]; then
    say 4 chain failed "event $broken does not follow the one before it"
elif [ -n "$unfit" ]; then
    say 4 chain failed "the record checkpoint over $unfit events does not hold"
elif [ "$signed" != "$due" ]; then
    say 4 chain failed "record checkpoints are due after these numbers of events:$due, and the file holds:$signed"
elif ! grep -qx "Counterproof-Record-Head: $prev" bag-info.txt 2>/dev/null; then
    say 4 chain failed "the bag names another head than $prev"
else
    say 4 chain ok "$count events, head $prev; record checkpoints:$signed$unsigned"
fi

# 5: every body has the digest that it is named after.
wrong=$(find data/record/blobs -type f 2>/dev/null | while IFS= read -r file; do
    name=$(printf '%s' "$file" | sed 's|^data/record/blobs/sha256/||; s|/||')
    [ "$($sum <"$file" | cut -d ' ' -f 1)" = "$name" ] || printf '%s\n' "$file"
done | head -n 1)
if [ -n "$wrong" ]; then
    say 5 bodies failed "$wrong has been changed"
elif [ -z "$(find data/record/blobs -type f 2>/dev/null | head -n 1)" ]; then
    say 5 bodies failed "there are no bodies"
else
    say 5 bodies ok "each has its digest; that none is missing is checked by verify.py"
fi

# 6: each decision is signed by the reviewer whom it names.
signed=0
bad=
for statement in data/decisions/*.json; do
    [ -f "$statement" ] || continue
    reviewer=$(sed -n 's/^.*,"reviewer":"\([^"\\]*\)",.*$/\1/p' "$statement")
    if [ "$keygen" = yes ] && ! ssh-keygen -Y verify -f data/keys/allowed_signers -I "$reviewer" \
        -n counterproof-decision -s "$statement.sig" <"$statement" >/dev/null 2>&1; then
        bad=${bad:-$statement}
    fi
    signed=$((signed + 1))
done
recorded=$(grep -c '"type":"decision.recorded"' data/record/events.jsonl 2>/dev/null)
if [ -n "$bad" ]; then
    say 6 decisions failed "the signature of $bad does not hold"
elif [ "$signed" != "${recorded:-0}" ]; then
    say 6 decisions failed "the record holds ${recorded:-0} decisions, the folder $signed"
elif [ "$signed" = 0 ]; then
    say 6 decisions "not applicable" "nobody decided anything in this study"
elif [ "$keygen" = no ]; then
    say 6 decisions "cannot be checked here" "ssh-keygen is not on the PATH"
elif grep -q ' sk-' data/keys/allowed_signers; then
    # OpenSSH 9.2 checks no flags of hardware keys.
    say 6 decisions "cannot be checked here" "signatures hold; whether hardware keys were touched is seen by verify.py"
else
    say 6 decisions ok "$signed decisions, each signed by the reviewer whom it names"
fi

seventh="7 approvals"
ninth="9 numbers"
if grep -qx "Counterproof-Kind: synthesis" bag-info.txt 2>/dev/null; then
    seventh="7 making"
    ninth="9 set"
fi
for step in "$seventh" "8 effects" "$ninth" "10 marks" "11 copies"; do
    say "${step%% *}" "${step#* }" "cannot be checked here" "needs more than a shell: python3 -I verify.py"
done
if [ "$failed" = 0 ]; then echo "OK: no step failed"; else echo "FAILED: $failed steps"; fi
[ "$failed" = 0 ]
