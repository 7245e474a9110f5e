"""Names of folders: short and readable, and different for different jobs."""

import re

import pytest

from textvae.cli.folders import folder_name, job_folder


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        ("seed=0,rate.total=0.5", "seed-0__rate.total-0.5"),
        ("experiment=ptb/lm", "experiment-ptb_lm"),
        ("data.file=a.txt,rate.total=-1", "data.file-a.txt__rate.total--1"),
        (
            "schedule=linear_from_zero,rate.per_dimension=null",
            "schedule-linear_from_zero__rate.per_dimension-null",
        ),
        ("schedule.beta=1e-05", "schedule.beta-1e-05"),
        ("", "run"),
    ],
)
def test_ordinary_values_stand_in_a_name_as_they_are(overrides: str, name: str) -> None:
    assert folder_name(overrides) == job_folder(overrides) == name


def test_names_need_no_quotes_and_stay_short() -> None:
    first, second = (job_folder("a.long.key=1," * 40 + end) for end in ("x=1", "x=2"))
    assert len(first) == len(second) == 150 and first != second
    for odd in ("data.file='ä b, c'", "a.long.key=['x y']," * 40):
        assert re.fullmatch(r"[A-Za-z0-9._-]{1,150}", job_folder(odd))


@pytest.mark.parametrize(
    "jobs",
    [
        ["data.file='ä.txt'", "data.file='ö.txt'"],
        ["data.file=a/b.txt", "data.file=a_b.txt", "data.file=a+b.txt", "data.file=a__b.txt"],
        ["decoder.z_into=[state,input]", "decoder.z_into=[input]", "decoder.z_into=[state_input]"],
        ["a.b=1__c-2,c=3", "a.b=1,c=2__c-3"],
        [f"data.file={'ä' * 300}.txt", f"data.file={'ö' * 300}.txt"],
    ],
)
def test_different_jobs_have_different_folders(jobs: list[str]) -> None:
    names = [job_folder(job) for job in jobs]
    assert len(set(names)) == len(jobs)
    assert names == [job_folder(job) for job in jobs]
