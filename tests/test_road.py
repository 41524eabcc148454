"""What the road reads from a path; where it leads is tried in flows/."""

import pytest

from qproxy.road import is_hub_logout


@pytest.mark.parametrize("path", [b"/qps/user", b"/QPS/User", b"/%71ps/user", b"//qps/user/"])
def test_the_hubs_logout_is_known_in_any_spelling(path: bytes) -> None:
    assert is_hub_logout(path)


@pytest.mark.parametrize("path", [b"/qps/users", b"/qps/user/x", b"/hub/qps/user", b"/qps", b"/"])
def test_no_other_path_is_the_hubs_logout(path: bytes) -> None:
    assert not is_hub_logout(path)
