"""Turns of two or more contestants, and the tables of what they took. Used by the scripts beside it."""

import json
import os
import subprocess
import sys
import statistics

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TESSERA = os.environ.get("TESSERA", os.path.join(ROOT, ".build", "release", "tessera"))


def needs(packages, install):
    """Imports packages; ends the script with what to install where one is missing."""
    modules = []
    for name in packages:
        try:
            modules.append(__import__(name))
        except ImportError:
            print(f"error: the Python package '{name}' is not installed: pip install {install}", file=sys.stderr)
            sys.exit(69)
    return modules


def environment():
    """Without the two settings that make OpenBLAS run at half its speed."""
    return {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}


def tessera(*arguments):
    """The document that our program prints."""
    if not os.access(TESSERA, os.X_OK):
        print(f"error: {TESSERA} is missing: swift build -c release --product tessera", file=sys.stderr)
        sys.exit(69)
    done = subprocess.run(
        [TESSERA, *arguments, "--json", "--quiet"], capture_output=True, text=True, env=environment())
    if done.returncode != 0:
        print(done.stderr.strip(), file=sys.stderr)
        sys.exit(done.returncode)
    return json.loads(done.stdout)


def rates(document, workload):
    """Median units a second of each model of one workload, by the model's folder."""
    for entry in document["workloads"]:
        if entry["name"] == workload:
            return {model["model"]: model["rate"]["median"] for model in entry["models"]}
    raise KeyError(workload)


def take_turns(contestants, rounds):
    """contestants: name -> function that returns a rate, or a dictionary of rates by name. One list of rates for each."""
    results = {}
    order = list(contestants)
    for turn in range(rounds):
        for index in range(len(order)):
            name = order[(index + turn) % len(order)]
            rate = contestants[name]()
            for key, value in (rate if isinstance(rate, dict) else {name: rate}).items():
                results.setdefault(key, []).append(value)
        print(f"round {turn + 1} of {rounds}", file=sys.stderr)
    return results


def report(title, unit, results, baseline, output, facts):
    """Prints a table, and writes the figures as JSON where asked to."""
    base = statistics.median(results[baseline])
    print(f"{title}; median of {max(map(len, results.values()))} turns")
    width = max(len(name) for name in results)
    print(f"{'':{width}}  {unit:>12}  times {baseline}")
    rows = []
    for name, values in results.items():
        median = statistics.median(values)
        print(f"{name:{width}}  {median:12.1f}  {median / base:.2f}")
        rows.append({"name": name, "median": median, "minimum": min(values), "maximum": max(values), "turns": values})
    if output:
        with open(output, "w") as file:
            json.dump({"title": title, "unit": unit, "baseline": baseline, **facts, "contestants": rows}, file, indent=1)
            file.write("\n")
