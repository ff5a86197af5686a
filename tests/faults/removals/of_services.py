"""Protections against failures of Redis, the database and disks."""

from tests.faults.removals.removal import Edit, Removal

_REDIS = "test_redis.py::test_work_goes_on_after_a_fault_of_redis"
_PASSWORD = (
    "test_redis.py::test_a_wrong_password_is_told_in_a_few_lines_and_work_goes_on_when_it_is_right"
)
_POSTGRES = "test_database.py::test_work_goes_on_after_a_fault_of_postgres"
_POOLED = "test_database.py::test_work_goes_on_behind_a_pooler_that_exchanges_sessions"
_LOCKED = "test_database.py::test_a_sqlite_file_that_another_process_locks_is_waited_for"
_MIGRATION = "test_database.py::test_a_migration_that_was_killed_is_done_by_the_next_who_start"
_SETUPS = "test_redis_setups.py"
_DISK = "test_disk.py::test_work_goes_on_when_there_is_room_again"

_ERRORS_AS_THEY_ARE = Edit(
    "storage/db/database.py",
    "    except (DBAPIError, PoolTimeout) as error:\n",
    "    except PoolTimeout as error:\n",
)

REMOVALS = (
    Removal(
        "the-dispatcher-outlives-redis",
        (f"{_REDIS}[killed]",),
        (
            Edit(
                "producer/dispatch.py",
                "            return self._redis.failed(error)\n"
                "        except DatabaseUnavailable as error:\n",
                "            raise\n        except DatabaseUnavailable as error:\n",
            ),
        ),
    ),
    Removal(
        "leases-end-when-jobs-are-lost",
        (f"{_REDIS}[killed_and_emptied]",),
        (
            Edit(
                "storage/frames/ledger.py",
                "    return or_(frames.c.lease_until <= now, "
                "frames.c.lease_until > now + LONGEST_LEASE_S)\n",
                "    return frames.c.lease_until == 0.0\n",
            ),
        ),
    ),
    Removal(
        "windows-come-back-from-the-rows",
        (f"{_REDIS}[killed_and_emptied]", f"{_REDIS}[flushed]"),
        (
            Edit(
                "storage/stream/history.py",
                "    for decision in recent.decisions:\n        state.absorb(decision)\n",
                "",
            ),
        ),
    ),
    Removal(
        "contradictions-are-refused",
        (f"{_REDIS}[killed_and_older]",),
        (
            Edit(
                "storage/results/commit.py",
                "    _refuse_contradictions(recorded, made, model_id)\n    done",
                "    done",
            ),
            Edit(
                "storage/stream/streams.py",
                "        except Refused as error:\n",
                "        except Refused as error:\n            return True\n",
            ),
        ),
    ),
    Removal(
        "a-forgotten-worker-registers-again",
        (f"{_REDIS}[flushed]",),
        (
            Edit(
                "worker/rq_worker.py",
                "            if pipeline is None and not self.connection.sismember(\n"
                "                self.redis_workers_keys, self.key\n"
                "            ):\n",
                "            if False:\n",
            ),
        ),
    ),
    Removal(
        "redis-is-not-waited-for-without-end",
        (f"{_REDIS}[hung]",),
        (Edit("ops/config/wiring.py", "socket_timeout=answer_s,\n", "socket_timeout=None,\n"),),
    ),
    Removal(
        "a-cut-connection-is-an-outage",
        (f"{_REDIS}[cut_off]",),
        (
            Edit(
                "producer/dispatch.py",
                "from redis.exceptions import RedisError\n",
                "from redis.exceptions import TimeoutError as RedisError\n",
            ),
        ),
    ),
    Removal(
        "a-full-redis-is-not-back",
        (f"{_REDIS}[full]",),
        (
            Edit(
                "producer/outage.py",
                "        if self.down:\n            self._check()\n",
                "",
            ),
        ),
    ),
    Removal(
        "a-refusing-redis-is-given-time",
        (_PASSWORD,),
        (
            Edit(
                "producer/outage.py",
                "        return min(max(now - since, FIRST_PAUSE_S), LONGEST_PAUSE_S)\n",
                "        return 0.0\n",
            ),
        ),
    ),
    Removal(
        "workers-give-redis-time",
        (_PASSWORD,),
        (Edit("worker/app.py", "                time.sleep(wait_s)\n", ""),),
    ),
    Removal(
        "addresses-have-no-password",
        (_PASSWORD, "test_secrets.py::test_no_password_is_ever_said"),
        (
            Edit(
                "storage/queue.py",
                "    return str(kwargs",
                '    if password := kwargs.get("password"):\n'
                "        place = kwargs.get(\"path\") or f\"{kwargs['host']}:{kwargs['port']}\"\n"
                '        return f":{password}@{place}"\n'
                "    return str(kwargs",
            ),
        ),
    ),
    Removal(
        "a-killed-postgres-is-an-outage",
        (f"{_POSTGRES}[killed_in_a_transaction]",),
        (_ERRORS_AS_THEY_ARE,),
    ),
    Removal(
        "a-table-that-is-away-is-an-outage",
        (f"{_POSTGRES}[a_table_away]",),
        (Edit("storage/db/failures.py", "    if state in _ADVICE:\n", "    if not state:\n"),),
    ),
    Removal(
        "an-outage-is-said-once",
        (f"{_POSTGRES}[a_right_revoked]",),
        (
            Edit(
                "worker/app.py",
                "                if since is None:  # said once; an outage may last for days\n",
                "                if self.engine:\n",
            ),
        ),
    ),
    Removal(
        "sentinels-name-the-master",
        (f"{_SETUPS}::test_work_goes_on_with_the_replica_that_sentinels_promote",),
        (
            Edit(
                "ops/config/redis_client.py",
                "    client: Redis = sentinel.master_for(found.service)  "
                "# type: ignore[no-untyped-call]\n",
                "    client = Redis(*sentinel.discover_master(found.service))\n",
            ),
        ),
    ),
    Removal(
        "the-documented-rights-are-enough",
        (f"{_SETUPS}::test_an_account_with_the_documented_rights_is_enough_behind_tls",),
        (Edit("docs/field.md", " ~thermalwatch:* resetchannels", " resetchannels"),),
    ),
    Removal(
        "workers-of-the-first-release-find-their-queue",
        (
            "test_old_release.py::"
            "test_workers_of_the_first_release_lose_nothing_beside_a_new_producer",
        ),
        (Edit("storage/queue.py", 'QUEUE_NAME = "thermalwatch"', 'QUEUE_NAME = "tw"'),),
    ),
    Removal(
        "statements-are-not-prepared",
        (_POOLED,),
        (Edit("storage/db/database.py", '"prepare_threshold": None', '"prepare_threshold": 0'),),
    ),
    Removal(
        "a-read-only-database-is-no-frames-fault",
        (f"{_POSTGRES}[read_only]",),
        (
            Edit(
                "worker/isolation.py",
                "INFRASTRUCTURE: Final = (\n    StorageError,\n",
                "INFRASTRUCTURE: Final = (\n",
            ),
        ),
    ),
    Removal(
        "sqlite-waits-for-its-lock",
        (_LOCKED,),
        (Edit("storage/db/database.py", '{"timeout": SQLITE_BUSY_S}', '{"timeout": 0.1}'),),
    ),
    Removal(
        "sqlite-migrates-in-one-transaction",
        (f"{_MIGRATION}[sqlite]",),
        (
            Edit(
                "storage/db/database.py",
                '        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")\n',
                "        del writes\n",
            ),
        ),
    ),
    Removal(
        "postgres-migrates-in-one-transaction",
        (f"{_MIGRATION}[postgres]",),
        (
            Edit(
                "storage/db/database.py",
                '        config.attributes["connection"] = connection\n',
                '    options = {"isolation_level": "AUTOCOMMIT"}\n'
                "    with engine.connect().execution_options(**options) as connection:\n"
                '        config.attributes["connection"] = connection\n',
            ),
        ),
    ),
    Removal(
        "workers-wait-for-room",
        (f"{_DISK}[no_room_for_pictures]",),
        (
            Edit(
                "worker/app.py",
                "        except (StorageError, OSError):\n",
                "        except StorageError:\n",
            ),
        ),
    ),
    Removal(
        "no-row-names-pictures-that-are-not-there",
        (f"{_DISK}[no_room_for_pictures]",),
        (
            Edit(
                "worker/pictures.py",
                "        store.put(paths[kind], encode_png(getattr(drawn, kind)))\n",
                "        try:\n"
                "            store.put(paths[kind], encode_png(getattr(drawn, kind)))\n"
                "        except OSError:\n"
                "            pass\n",
            ),
            Edit(
                "worker/pictures.py",
                "    store.put(arrays_path, encode_arrays(arrays))\n",
                "    try:\n"
                "        store.put(arrays_path, encode_arrays(arrays))\n"
                "    except OSError:\n"
                "        pass\n",
            ),
        ),
    ),
    Removal(
        "nothing-half-written-stays",
        (f"{_DISK}[no_room_for_pictures]",),
        (
            Edit(
                "storage/files/artifacts.py",
                "            with suppress(FileNotFoundError):\n"
                "                temporary.unlink()\n",
                "",
            ),
        ),
    ),
    Removal(
        "a-full-database-is-an-outage",
        (f"{_DISK}[no_room_for_database_and_redis]",),
        (_ERRORS_AS_THEY_ARE,),
    ),
    Removal(
        "a-quota-is-an-outage",
        (f"{_DISK}[no_file_may_grow]",),
        (_ERRORS_AS_THEY_ARE,),
    ),
)
