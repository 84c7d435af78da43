"""Forwards connections of containers to servers that listen on 127.0.0.1 only, such as those of a local stack.

`forward.py HOST TARGET:PORT …` listens on one free port of HOST for each target, and prints these ports in one line.
"""

import asyncio
import sys


async def copy_stream(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def main(host, targets):
    async def listen(target):
        target_host, target_port = target.rsplit(":", 1)

        async def forward(reader, writer):
            try:
                target_reader, target_writer = await asyncio.open_connection(target_host, int(target_port))
            except OSError:
                writer.close()
                return
            await asyncio.gather(copy_stream(reader, target_writer), copy_stream(target_reader, writer))

        return await asyncio.start_server(forward, host, 0)

    servers = [await listen(target) for target in targets]
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


asyncio.run(main(sys.argv[1], sys.argv[2:]))
