"""Another process on the switchboard; started by the tests, told what to do by its arguments.

listen TOPIC...        prints the notes that arrive, one a line; ends with its standard input
send TOPIC COUNT       publishes COUNT notes with their time as payload
"""

import asyncio
import sys
import time
from pathlib import Path

import django
from django.conf import settings
from django.db import connections


def say(*words):
    print(*words, flush=True)


async def listen(topics, node):
    from switchboard.subscribe import Switchboard
    from switchboard.topics import Topic

    def arrived(notes):
        now = time.time_ns()
        for note in notes:
            sent = int(note.payload or now)
            say(note.topic.name, note.key, (now - sent) // 1000)

    board = Switchboard(poll_seconds=None)
    for topic in topics:
        board.subscribe(Topic[topic], None, arrived)
    await board.start()
    say("ready")
    await asyncio.to_thread(sys.stdin.read)
    await board.stop()


def send(topic, count):
    from switchboard.publish import publish_on_commit
    from switchboard.topics import Topic

    for key in range(count):
        publish_on_commit(Topic[topic], key, str(time.time_ns()).encode())
    time.sleep(0.3)  # what is sent by a thread needs a moment


if __name__ == "__main__":
    run, database, node, verb, *words = sys.argv[1:]
    settings.MAILHOST_RUN = Path(run)
    settings.MAILHOST_NODE = int(node)
    settings.MAILHOST_CLUSTER = node != "0"
    connections.databases["default"]["NAME"] = database
    django.setup()
    if verb == "listen":
        asyncio.run(listen(words, int(node)))
    else:
        send(words[0], int(words[1]))
