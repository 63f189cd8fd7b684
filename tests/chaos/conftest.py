"""A source with a shop of one table, which tests of faults may stop, cut off or fill."""

import pytest


@pytest.fixture
def source(own_mariadb):
    own_mariadb.start().create_cdc_user()
    own_mariadb.run(
        "CREATE DATABASE shop",
        "CREATE TABLE shop.t (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(40))",
        "INSERT INTO shop.t (v) SELECT seq FROM seq_1_to_1000",
    )
    return own_mariadb
