# A board on a battery: it wakes, does its work, looks for an update and sleeps again. For how long comes from the
# server, as the release's specification: {"sleep_s": 3600}.
import machine

import twinslot

SLEEP_S = 60


def work():
    print("awake, as reset cause", machine.reset_cause())  # what the board is for goes here


def sleep_s():
    told = twinslot.specification()
    return told["sleep_s"] if isinstance(told, dict) else SLEEP_S


def check(specification):
    """A specification that would never let the board wake up again is not taken."""
    if not 1 <= specification["sleep_s"] <= 24 * 3600:
        raise ValueError("sleep_s is 1 to 86400")


def main():
    work()
    if not twinslot.update_now(configure=check):
        print("no server; it is asked again after the next sleep")
    print("sleeps", sleep_s(), "s")
    machine.deepsleep(sleep_s() * 1000)
