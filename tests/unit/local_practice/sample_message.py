"""A message such as a sender would send, written without the sender's library: small, valid, and easy to spoil."""

import base64

MESSAGE_ID = "3f1c2f50-6f0a-4f57-9d0c-2b8d3a1f0001"
PDF = b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer << /Root 1 0 R >>\n%%EOF\n"

_TEMPLATE = """<?xml version="1.0" encoding="UTF-8"?>
<Bundle xmlns="http://hl7.org/fhir">
  <id value="{message_id}"/>
  <meta><profile value="https://fhir.nhs.uk/STU3/StructureDefinition/ITK-Message-Bundle-1"/></meta>
  <identifier><value value="{message_id}"/></identifier>
  <type value="message"/>
  <entry>
    <fullUrl value="urn:uuid:{message_id}"/>
    <resource><MessageHeader>
      <id value="{message_id}"/>
      <extension url="https://fhir.nhs.uk/STU3/StructureDefinition/Extension-ITK-MessageHandling-2">
        <extension url="BusAckRequested"><valueBoolean value="true"/></extension>
        <extension url="InfAckRequested"><valueBoolean value="true"/></extension>
        <extension url="RecipientType"><valueCoding>
          <system value="https://fhir.nhs.uk/STU3/CodeSystem/ITK-RecipientType-1"/>
          <code value="FA"/><display value="For Action"/>
        </valueCoding></extension>
        <extension url="MessageDefinition"><valueReference>
          <reference value="https://fhir.nhs.uk/STU3/MessageDefinition/ITK-GPConnectSendDocument-MessageDefinition-1"/>
        </valueReference></extension>
        <extension url="SenderReference"><valueString value="encounter-1"/></extension>
        <extension url="LocalExtension"><valueString value="None"/></extension>
      </extension>
      <event>
        <system value="https://fhir.nhs.uk/STU3/CodeSystem/ITK-MessageEvent-2"/>
        <code value="ITK007C"/><display value="ITK GP Connect Send Document"/>
      </event>
      <sender><reference value="urn:uuid:3f1c2f50-6f0a-4f57-9d0c-2b8d3a1f0002"/></sender>
      <timestamp value="2026-01-02T03:04:05.678+00:00"/>
      <source><endpoint value="Y90001OT001"/></source>
      <focus><reference value="urn:uuid:{document_id}"/></focus>
    </MessageHeader></resource>
  </entry>
  <entry>
    <fullUrl value="urn:uuid:3f1c2f50-6f0a-4f57-9d0c-2b8d3a1f0002"/>
    <resource><Organization>
      <id value="3f1c2f50-6f0a-4f57-9d0c-2b8d3a1f0002"/>
      <identifier>
        <system value="https://fhir.nhs.uk/Id/ods-organization-code"/><value value="Y90001"/>
      </identifier>
    </Organization></resource>
  </entry>
  <entry>
    <fullUrl value="urn:uuid:{document_id}"/>
    <resource><Bundle>
      <id value="{document_id}"/>
      <identifier><value value="{document_id}"/></identifier>
      <type value="document"/>
      <entry>
        <fullUrl value="urn:uuid:3f1c2f50-6f0a-4f57-9d0c-2b8d3a1f0004"/>
        <resource><Composition>
          <id value="3f1c2f50-6f0a-4f57-9d0c-2b8d3a1f0004"/>
          <status value="final"/>
          <type><coding>
            <system value="http://snomed.info/sct"/><code value="325871000000103"/><display value="Remote encounter"/>
          </coding></type>
          <subject><reference value="urn:uuid:3f1c2f50-6f0a-4f57-9d0c-2b8d3a1f0005"/></subject>
          <date value="2026-01-02"/>
          <author><reference value="urn:uuid:3f1c2f50-6f0a-4f57-9d0c-2b8d3a1f0006"/></author>
          <title value="Consultation report"/>
          <section><entry><reference value="urn:uuid:3f1c2f50-6f0a-4f57-9d0c-2b8d3a1f0007"/></entry></section>
        </Composition></resource>
      </entry>
      <entry>
        <fullUrl value="urn:uuid:3f1c2f50-6f0a-4f57-9d0c-2b8d3a1f0005"/>
        <resource><Patient>
          <id value="3f1c2f50-6f0a-4f57-9d0c-2b8d3a1f0005"/>
          <identifier>
            <extension url="https://fhir.hl7.org.uk/STU3/StructureDefinition/\
Extension-CareConnect-NHSNumberVerificationStatus-1"><valueCodeableConcept><coding>
              <system value="https://fhir.hl7.org.uk/STU3/CodeSystem/CareConnect-NHSNumberVerificationStatus-1"/>
              <code value="01"/><display value="Number present and verified"/>
            </coding></valueCodeableConcept></extension>
            <system value="https://fhir.nhs.uk/Id/nhs-number"/><value value="9658218865"/>
          </identifier>
          <name><use value="official"/><family value="WRIGHT"/><given value="Garth"/></name>
          <birthDate value="1933-11-14"/>
        </Patient></resource>
      </entry>
      <entry>
        <fullUrl value="urn:uuid:3f1c2f50-6f0a-4f57-9d0c-2b8d3a1f0006"/>
        <resource><Practitioner>
          <id value="3f1c2f50-6f0a-4f57-9d0c-2b8d3a1f0006"/>
          <name><use value="official"/><family value="Testdoctor"/><given value="{practitioner}"/></name>
        </Practitioner></resource>
      </entry>
      <entry>
        <fullUrl value="urn:uuid:3f1c2f50-6f0a-4f57-9d0c-2b8d3a1f0007"/>
        <resource><Binary>
          <id value="3f1c2f50-6f0a-4f57-9d0c-2b8d3a1f0007"/>
          <contentType value="application/pdf"/><content value="{pdf}"/>
        </Binary></resource>
      </entry>
    </Bundle></resource>
  </entry>
</Bundle>
"""


def sample_message(
    *,
    practitioner: str = "Ana",
    message_id: str = MESSAGE_ID,
    document_id: str = "3f1c2f50-6f0a-4f57-9d0c-2b8d3a1f0003",
    pdf: bytes = PDF,
) -> bytes:
    """Give a valid message whose practitioner has the given name."""
    return _TEMPLATE.format(
        message_id=message_id,
        document_id=document_id,
        practitioner=practitioner,
        pdf=base64.b64encode(pdf).decode(),
    ).encode()


def spoiled(old: str, new: str) -> bytes:
    """Give the valid message with one passage replaced, which must be there."""
    text = sample_message().decode()
    assert old in text
    return text.replace(old, new, 1).encode()
