#!/bin/sh
# Runs in a network namespace of its own: makes a second one with a server, a cable between both, and waits as the holder
# of both. FOLDER gets the server's process and, when all is there, `ready`.
set -e
folder=$1
ip link set lo up
ip link add inside type veth peer name outside
unshare --net "$2" "$3" "$folder" &
far=$!
until [ -e "$folder/far" ]; do sleep 0.05; done
ip link set outside netns "$far"
ip addr add 10.83.0.2/24 dev inside
ip link set inside up
ip route add default via 10.83.0.1
nsenter --target "$far" --net sh -c 'ip link set lo up; ip addr add 10.83.0.1/24 dev outside; ip link set outside up'
echo "$far" > "$folder/server.pid"
echo > "$folder/ready"
wait
