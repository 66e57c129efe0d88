// SPDX-License-Identifier: BSD-2-Clause
/*
 * A TCP client on lwIP, a stack that is not Linux', on an interface that the kernel has no address on.
 *
 *   lwip_client DEVICE ADDRESS MASK GATEWAY PEER PORT
 *
 * Connects, sends a word, waits for the echo, and prints how many milliseconds the connection took. Returns 0 if the echo came.
 */
#include <lwip/netif.h>
#include <lwip/sockets.h>
#include <lwip/tcpip.h>
#include <netif/etharp.h>

#include <linux/if_packet.h>
#include <net/if.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FRAME_MAX 1600
#define ETHERTYPE_ALL 3

static int wire; /* a packet socket on the device */

static err_t frame_send(struct netif *netif, struct pbuf *p)
{
	unsigned char frame[FRAME_MAX];

	pbuf_copy_partial(p, frame, p->tot_len, 0);
	return write(wire, frame, p->tot_len) == (ssize_t)p->tot_len ? ERR_OK : ERR_IF;
}

static void *frames_receive(void *arg)
{
	struct netif *netif = arg;
	unsigned char frame[FRAME_MAX];
	ssize_t length;

	while ((length = read(wire, frame, sizeof(frame))) > 0) {
		struct pbuf *p = pbuf_alloc(PBUF_RAW, (u16_t)length, PBUF_POOL);

		if (p && (pbuf_take(p, frame, (u16_t)length) != ERR_OK || netif->input(p, netif) != ERR_OK))
			pbuf_free(p);
	}
	return NULL;
}

static err_t interface_init(struct netif *netif)
{
	static const unsigned char mac[] = { 0x02, 0x00, 0x5e, 0x10, 0x00, 0x77 };

	memcpy(netif->hwaddr, mac, sizeof(mac));
	netif->hwaddr_len = sizeof(mac);
	netif->mtu = 1500;
	netif->name[0] = 'l';
	netif->name[1] = 'w';
	netif->output = etharp_output;
	netif->linkoutput = frame_send;
	netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_LINK_UP;
	return ERR_OK;
}

static int wire_open(const char *device)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETHERTYPE_ALL),
				  .sll_ifindex = (int)if_nametoindex(device) };
	struct packet_mreq all = { .mr_ifindex = at.sll_ifindex, .mr_type = PACKET_MR_PROMISC };

	wire = socket(AF_PACKET, SOCK_RAW, htons(ETHERTYPE_ALL));
	return wire < 0 || bind(wire, (struct sockaddr *)&at, sizeof(at)) ||
	       setsockopt(wire, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all));
}

static int stack_start(char **argv, struct netif *netif)
{
	ip4_addr_t addr, mask, gateway;
	struct netif *added;
	pthread_t receiver;

	if (!ip4addr_aton(argv[2], &addr) || !ip4addr_aton(argv[3], &mask) || !ip4addr_aton(argv[4], &gateway))
		return -1;
	tcpip_init(NULL, NULL);
	LOCK_TCPIP_CORE();
	added = netif_add(netif, &addr, &mask, &gateway, NULL, interface_init, tcpip_input);
	if (added) {
		netif_set_default(netif);
		netif_set_up(netif);
	}
	UNLOCK_TCPIP_CORE();
	return added ? pthread_create(&receiver, NULL, frames_receive, netif) : -1;
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	static struct netif netif;
	struct sockaddr_in peer = { .sin_family = AF_INET };
	char word[8] = "lwip";
	double begun;
	int s;

	if (argc != 7 || wire_open(argv[1]) || stack_start(argv, &netif))
		return 2;
	peer.sin_port = htons((unsigned short)atoi(argv[6]));
	peer.sin_addr.s_addr = inet_addr(argv[5]);
	s = lwip_socket(AF_INET, SOCK_STREAM, 0);
	begun = seconds();
	if (s < 0 || lwip_connect(s, (struct sockaddr *)&peer, sizeof(peer)))
		return 3;
	printf("%.1f\n", (seconds() - begun) * 1000);
	fflush(stdout);
	return lwip_write(s, word, 4) == 4 && lwip_read(s, word, 4) == 4 && !memcmp(word, "lwip", 4) ? 0 : 4;
}
