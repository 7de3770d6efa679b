"""The document types that Send Document 2.0 is approved for: SNOMED CT concept id and words.

The first two are GPCM-SD-115's; the others are of the Clinical Document Indexing Standard, from which the guide says to
take them. NHS England approves further ones for single senders: these are a setting of the sending mailbox.
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
