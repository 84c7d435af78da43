"""Makes ports of this machine's own address reachable for containers: `forward.py HOST HOST:PORT …` listens on HOST, at
free ports that it prints in a line, and passes on to each. What a local stack serves listens on 127.0.0.1 alone."""

import asyncio
import sys


async def pump(reader, writer):
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
        to_host, to_port = target.rsplit(":", 1)

        async def connected(reader, writer):
            try:
                there = await asyncio.open_connection(to_host, int(to_port))
            except OSError:
                writer.close()
                return
            await asyncio.gather(pump(reader, there[1]), pump(there[0], writer))

        return await asyncio.start_server(connected, host, 0)

    servers = [await listen(target) for target in targets]
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


asyncio.run(main(sys.argv[1], sys.argv[2:]))
