"""Protections against clients that are slow, greedy or many."""

from tests.faults.removals.removal import Edit, Removal

_CROWD = "test_crowds.py::test_a_crowd_of_slow_and_greedy_clients_holds_up_nobody"
_HALF = "test_crowds.py::test_half_open_requests_are_closed_and_told_why"
_FILES = "test_crowds.py::test_more_clients_than_file_descriptors_do_not_stop_the_server"

REMOVALS = (
    Removal(
        "exports-hold-no-connection",
        (_CROWD,),
        (
            Edit(
                "ops/web/exports.py",
                "csv_parts(engine, query, paged=True)",
                "csv_parts(engine, query)",
            ),
        ),
    ),
    Removal(
        "logins-wait-in-a-lane",
        (_CROWD,),
        (
            Edit(
                "ops/web/routes/login.py",
                "await services.lanes.logins.run(login, name, password, code)",
                "await to_thread.run_sync(login, name, password, code)",
            ),
        ),
    ),
    Removal(
        "requests-have-deadlines",
        (_HALF,),
        (
            Edit(
                "ops/web/server.py",
                "            self._connections.check()\n",
                "            pass\n",
            ),
        ),
    ),
    Removal(
        "connections-are-limited",
        (_FILES,),
        (
            Edit(
                "ops/web/connections.py",
                "        if len(self._clients) >= self._most:\n",
                "        if not self._most:\n",
            ),
        ),
    ),
)
