"""The results of GuardDuty's malware scan: an object tag that the drop's policy lets only GuardDuty write.

Source: Amazon GuardDuty User Guide, "Malware Protection for S3": "S3 object potential scan result value", "Using
tag-based access control", and "Create or update IAM role policy".
"""

from enum import StrEnum

SCAN_TAG = "GuardDutyMalwareScanStatus"

VALIDATION_OBJECT = "malware-protection-resource-validation-object"
"""The object that GuardDuty writes to test its role when scanning starts. No sender dropped it."""


class ScanResult(StrEnum):
    """The tag's values, and one for an object without a result in time."""

    CLEAN = "NO_THREATS_FOUND"
    THREATS_FOUND = "THREATS_FOUND"
    UNSUPPORTED = "UNSUPPORTED"
    ACCESS_DENIED = "ACCESS_DENIED"
    FAILED = "FAILED"
    NONE_IN_TIME = "NONE_IN_TIME"

    @property
    def rule(self) -> str:
        """The broken rule, for a person."""
        return _RULES[self]


_RULES = {
    ScanResult.CLEAN: "holds no malware that is known",
    ScanResult.THREATS_FOUND: "holds malware, as GuardDuty found",
    ScanResult.UNSUPPORTED: "cannot be scanned for malware: it has a password, or is beyond GuardDuty's quotas",
    ScanResult.ACCESS_DENIED: "was not scanned for malware: GuardDuty was not let at it",
    ScanResult.FAILED: "was not scanned for malware: GuardDuty failed",
    ScanResult.NONE_IN_TIME: "was not scanned for malware in time",
}
