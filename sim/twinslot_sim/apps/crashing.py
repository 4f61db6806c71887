"""An application with a mistake that shows at once."""


def main():
    raise RuntimeError("this version crashes as it starts")
