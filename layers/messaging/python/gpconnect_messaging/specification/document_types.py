"""The document types that Send Document 2.0 is approved for: SNOMED CT concept id and words.

The first two are GPCM-SD-115's, the third is the published example's; the others are common ones of PRSB's document
naming standard (Clinical Document Indexing Standard), from which the guide says to take them ("How to identify which
documents have been sent"). That list changes without a new version of the specification, and NHS England approves types
for single senders: the mailbox setting `document_types` lists further well-formed concept ids.
"""

APPROVED_DOCUMENT_TYPES = {
    "371531000": "Report of clinical encounter",
    "149701000000109": "Remote health correspondence",
    "325871000000103": "Remote consultation encounter type",
    "373942005": "Discharge summary",
    "823681000000100": "Outpatient letter",
    "823691000000103": "Clinical letter",
    "823701000000103": "Discharge letter",
    "25611000000107": "Referral letter",
}
