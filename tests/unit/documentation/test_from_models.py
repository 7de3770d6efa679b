from infra.documentation.from_models import request_page


def test_the_reference_of_the_request_says_forms_in_words() -> None:
    said = request_page()
    assert "| a MESH mailbox id: 5 to 50 capital letters A-Z and digits 0-9 |" in said
    assert "application/pdf, image/jpeg, image/png, image/tiff, text/plain, text/rtf; other names" in said
    assert not [sign for sign in ("^", "{3,", "1 characters") if sign in said]
