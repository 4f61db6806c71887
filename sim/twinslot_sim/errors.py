"""The errors of the simulator: one class for each decision that a caller takes."""

from enum import IntEnum


class TwinslotError(Exception):
    """Root of what the simulator refuses; the message says what happened, to what, and what to do."""


class Esp(IntEnum):
    """ESP-IDF's error codes, negated as `OSError` shows them on MicroPython (esp_err.h, esp_ota_ops.h, nvs.h,
    esp_flash_err.h)."""

    ESP_FAIL = -1
    ENOENT = -2
    ESP_ERR_INVALID_ARG = -0x102
    ESP_ERR_INVALID_SIZE = -0x104
    ESP_ERR_NOT_FOUND = -0x105
    ESP_ERR_NVS_NOT_FOUND = -0x1102
    ESP_ERR_NVS_NOT_ENOUGH_SPACE = -0x1105
    ESP_ERR_NVS_INVALID_NAME = -0x1106
    ESP_ERR_NVS_KEY_TOO_LONG = -0x1109
    ESP_ERR_NVS_INVALID_STATE = -0x110B
    ESP_ERR_NVS_NO_FREE_PAGES = -0x110D
    ESP_ERR_NVS_VALUE_TOO_LONG = -0x110E
    ESP_ERR_NVS_NEW_VERSION_FOUND = -0x1110
    ESP_ERR_OTA_VALIDATE_FAILED = -0x1503
    ESP_ERR_FLASH_OP_FAIL = -0x6001


class EspError(TwinslotError):
    """A call into ESP-IDF failed.

    `code` is negative. With a `name`, MicroPython raises `OSError(code, name)`; without one, `OSError(-code)`
    (ports/esp32/mphalport.c, `check_esp_err_`; seen on the real builds as `OSError(1)` and `OSError(2)`).
    """

    def __init__(self, error: Esp) -> None:
        super().__init__(f"{error.name} ({int(error)})")
        self.code = int(error)
        self.name = "" if error in (Esp.ESP_FAIL, Esp.ENOENT) else error.name
