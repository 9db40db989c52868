# A second namespace with a router in it, until this process ends. Behind it: 10.6.1.0/24 and fd00:6:1::/48 to which it
# knows no way, 10.6.2.0/24 and fd00:6:2::/48 which it forbids, 10.6.3.0/24 where it finds no host.
ip link set lo up
unshare --net sh -c "while kill -0 $$ 2>/dev/null; do sleep 1; done" </dev/null >/dev/null 2>&1 &
router=$!
until [ "$(readlink /proc/$router/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.02; done
ip link add near type veth peer name far netns $router
ip link set near up
ip address add 10.7.0.1/24 dev near
ip -6 address add fd00:7::1/64 dev near nodad
nsenter --net=/proc/$router/ns/net sh -e <<'END'
ip link set lo up
ip link set far up
ip address add 10.7.0.2/24 dev far
ip -6 address add fd00:7::2/64 dev far nodad
echo 1 > /proc/sys/net/ipv4/ip_forward
echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
echo 0 > /proc/sys/net/ipv4/icmp_ratelimit
echo 0 > /proc/sys/net/ipv6/icmp/ratelimit
ip route add prohibit 10.6.2.0/24
ip -6 route add prohibit fd00:6:2::/48
ip route add unreachable 10.6.3.0/24
END
ip route add 10.6.0.0/16 via 10.7.0.2
ip -6 route add fd00:6::/32 via fd00:7::2
