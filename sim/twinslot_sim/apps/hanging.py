"""An application that hangs: nothing but a watchdog gets the chip back."""


def main():
    while True:
        pass
